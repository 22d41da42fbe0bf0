"""``mmerc export``: export a trained model to ONNX."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mmerc.cli.output import JsonOption, print_json, print_table

EXAMPLES = ("mmerc export runs/mini --onnx mini.onnx",)


def export(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="Run, model folder or Hub repository.")
    ],
    onnx: Annotated[Path, typer.Option("--onnx", help="File to write (.onnx).")],
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the file if it exists.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Export a model to ONNX.

    The file contains the fusion model: vectors in, probabilities out, without the text encoder.
    It is written only if it gives the same results as the model.
    """
    import os

    # Set before torch is loaded. Its exporter's warnings are covered by the comparison.
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    from mmerc.inference.onnx import export_model
    from mmerc.inference.results import check_free
    from mmerc.models.registry import load_model

    check_free(onnx, overwrite=overwrite, option="--onnx")
    exported = export_model(load_model(model), onnx)
    if as_json:
        print_json(
            {
                "out": str(onnx),
                "bytes": exported.size,
                "inputs": exported.inputs,
                "outputs": exported.outputs,
                "difference": exported.difference,
            }
        )
        return
    print_table(
        ["", "name", "shape"],
        [
            [kind, name, " x ".join(map(str, shape))]
            for kind, items in (("in", exported.inputs), ("out", exported.outputs))
            for name, shape in items.items()
        ],
    )
    size = f"{exported.size / 1e6:.1f} MB"
    print(f"{size} in {onnx}; logits differ by at most {exported.difference:.1g}")
