"""Write a fusion model as an ONNX file that says the same as the model."""

from __future__ import annotations

import json
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from mmerc.errors import MmercError
from mmerc.files import atomic_file
from mmerc.inference.onnx.graph import OUTPUTS, Graph, trial
from mmerc.models.base import AnyModel
from mmerc.version import __version__

OPSET = 18
TRACED = (3, 5, 2)  # lengths of the conversations that are looked at while the graph is recorded
TRIED = (TRACED, (1,), (6, 1, 9, 4), (12,) * 5)  # and of those that the file is tried with
TOLERANCE = 1e-4  # of logits; float32 in another order of sums


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """What was written: names with shapes (words for what is free), and how equal it is.

    ``difference`` is the largest between a logit of the file and of the model, over random
    conversations of several lengths with absences and padding.
    """

    inputs: dict[str, list[int | str]]
    outputs: dict[str, list[int | str]]
    difference: float
    size: int


def export_model(model: AnyModel, path: Path) -> Exported:
    """Write ``path``, try it in onnxruntime, and keep it if it equals the model.

    Of a model that trains a text encoder the part behind it: ``text`` are the encoder's vectors.
    Vectors come as they are stored: the file standardises them itself. Labels (in their order) and
    temperature stand in the file's metadata. MmercError for a model that cannot be exported, one
    whose file says something else, and where the extra ``export`` is not installed.
    """
    if model.unit == "utterance":
        raise MmercError(
            f"{model.name} fuses inside its encoders, of which no part stands alone; export a "
            "model that fuses vectors (df-erc, multiemo, concatenation)."
        )
    onnx, _ = libraries()
    with atomic_file(path) as temporary:
        record(Graph(model, exportable=True), temporary)
        describe(onnx, temporary, model)
        return compare(model, temporary)


def libraries() -> tuple[Any, Any]:
    """onnx and onnxruntime, which the extra ``export`` installs."""
    try:
        import onnx
        import onnxruntime
    except ImportError as error:
        raise MmercError(
            f"The package {error.name} is not installed; install it with "
            "`pip install 'mmerc[export]'`."
        ) from error
    return onnx, onnxruntime


def record(graph: Graph, path: Path) -> None:
    """Write the graph by tracing it once.

    torch's newer exporter (dynamo) knows no packed sequence and no loop of DialogueRNN's kind, and
    takes tens of times as long; what tracing may get wrong is found by ``compare``.
    """
    free = {0: "conversations", 1: "utterances"}
    names = [*graph.names, *OUTPUTS]
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            torch.onnx.export(
                graph, trial(graph, TRACED, seed=0), str(path), dynamo=False, opset_version=OPSET,
                input_names=list(graph.names), output_names=list(OUTPUTS),
                dynamic_axes=dict.fromkeys(names, free),
            )  # fmt: skip
    except (torch.onnx.errors.OnnxExporterError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0][:120]
        raise MmercError(f"{graph.model.name} cannot be written as ONNX ({reason}).") from error


def describe(onnx: Any, path: Path, model: AnyModel) -> None:
    """Put into the file what its numbers mean."""
    file = onnx.load(path)
    file.producer_name, file.producer_version = "mmerc", __version__
    entries = {
        "model": model.name,
        "labels": json.dumps(list(model.labels.names), ensure_ascii=False),
        "temperature": repr(model.temperature),
    }
    onnx.helper.set_model_props(file, entries)
    onnx.save(file, path)


@torch.no_grad()
def compare(model: AnyModel, path: Path) -> Exported:
    """Run file and model on the same conversations; MmercError where they differ."""
    _, onnxruntime = libraries()
    session = onnxruntime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])
    graph, wanted = Graph(model, exportable=False), [item.name for item in session.get_inputs()]
    difference = 0.0
    for seed, lengths in enumerate(TRIED):
        tensors = dict(zip(graph.names, trial(graph, lengths, seed=seed), strict=True))
        given = {name: tensors[name].numpy() for name in wanted}
        found = torch.from_numpy(session.run(["logits"], given)[0])
        apart = (found - graph(*tensors.values())[0])[tensors["mask"]].abs().max()
        difference = max(difference, float(apart.nan_to_num(torch.inf)))
    if difference > TOLERANCE:
        raise MmercError(
            f"{model.name} as ONNX differs from itself by {difference:.2g} in a logit, so the "
            "file was not kept; use the model itself."
        )
    return Exported(
        inputs={item.name: list(item.shape) for item in session.get_inputs()},
        outputs={item.name: list(item.shape) for item in session.get_outputs()},
        difference=difference,
        size=path.stat().st_size,
    )
