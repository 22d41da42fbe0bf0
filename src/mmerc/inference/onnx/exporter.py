"""Export a fusion model to an equivalent ONNX file."""

from __future__ import annotations

import json
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from mmerc.errors import MmercError
from mmerc.files import atomic_file
from mmerc.inference.onnx.graph import OUTPUTS, Graph, random_inputs
from mmerc.models.base import AnyModel
from mmerc.version import __version__

_OPSET = 18
_TRACED = (3, 5, 2)  # conversation lengths for tracing the graph
_TRIED = (
    _TRACED,
    (1,),
    (6, 1, 9, 4),
    (12,) * 5,
    (45, 22),
)  # conversation lengths for testing the file
_TOLERANCE = 1e-4  # for logits: float32 sums in a different order


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """An exported file: names and shapes of inputs and outputs (words for dynamic sizes).

    ``difference`` is the largest difference between logits of file and model, over random
    conversations of several lengths with absences and padding; ``size`` is in bytes.
    """

    inputs: dict[str, list[int | str]]
    outputs: dict[str, list[int | str]]
    difference: float
    size: int


def export_model(model: AnyModel, path: str | Path) -> Exported:
    """Write ``path``, test it in onnxruntime, and keep it if it matches the model.

    If the model trains a text encoder, only the part after the encoder is exported: ``text`` holds
    the encoder's vectors. Features are passed as stored; the file standardises them. Labels (in
    order) and temperatures are in the file's metadata; prediction sets are not included. MmercError
    if the model cannot be exported, if the file gives different results, or if the extra ``export``
    is not installed; InputError if the file cannot be written.
    """
    if model.unit == "utterance":
        raise MmercError(
            f"{model.name} fuses inside its encoders, so no part of it can be exported; export a "
            "model that fuses vectors (df-erc, multiemo, concatenation)."
        )
    if model.labels != model.trained_labels:
        raise MmercError(
            "The model was adapted to labels of your own, which an ONNX file cannot contain; "
            "export the original model."
        )
    onnx, _ = _import_libraries()
    with atomic_file(Path(path)) as temporary:
        _trace_graph(Graph(model, exportable=True), temporary)
        _write_metadata(onnx, temporary, model)
        return _compare_with_model(model, temporary)


def _import_libraries() -> tuple[Any, Any]:
    """Import onnx and onnxruntime, from the extra ``export``."""
    try:
        import onnx
        import onnxruntime
    except ImportError as error:
        raise MmercError(
            f"The package {error.name} is not installed; install it with "
            "`pip install 'mmerc[export]'`."
        ) from error
    return onnx, onnxruntime


def _trace_graph(graph: Graph, path: Path) -> None:
    """Trace the graph and write it.

    torch's newer exporter (dynamo) supports neither packed sequences nor loops like DialogueRNN's,
    and is tens of times slower. ``_compare_with_model`` detects tracing errors.
    """
    free = {0: "conversations", 1: "utterances"}
    names = [*graph.names, *OUTPUTS]
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            torch.onnx.export(
                graph, random_inputs(graph, _TRACED, seed=0), str(path),
                dynamo=False, opset_version=_OPSET,
                input_names=list(graph.names), output_names=list(OUTPUTS),
                dynamic_axes=dict.fromkeys(names, free),
            )  # fmt: skip
    except (torch.onnx.errors.OnnxExporterError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0][:120]
        raise MmercError(f"{graph.model.name} cannot be written as ONNX ({reason}).") from error


def _write_metadata(onnx: Any, path: Path, model: AnyModel) -> None:
    """Add labels and temperatures to the file."""
    file = onnx.load(path)
    file.producer_name, file.producer_version = "mmerc", __version__
    entries = {
        "model": model.name,
        "labels": json.dumps(list(model.labels.names), ensure_ascii=False),
        "temperature": repr(model.temperature),
        "temperatures": json.dumps(dict(model.temperatures)),
    }
    onnx.helper.set_model_props(file, entries)
    onnx.save(file, path)


@torch.no_grad()
def _compare_with_model(model: AnyModel, path: Path) -> Exported:
    """Compare file and model on the same conversations; MmercError if they differ."""
    _, onnxruntime = _import_libraries()
    session = onnxruntime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])
    graph, names = Graph(model, exportable=False), [item.name for item in session.get_inputs()]
    difference = 0.0
    for seed, lengths in enumerate(_TRIED):
        tensors = dict(zip(graph.names, random_inputs(graph, lengths, seed=seed), strict=True))
        inputs = {name: tensors[name].numpy() for name in names}
        logits = torch.from_numpy(session.run(["logits"], inputs)[0])
        largest = (logits - graph(*tensors.values())[0])[tensors["mask"]].abs().max()
        difference = max(difference, float(largest.nan_to_num(torch.inf)))
    if difference > _TOLERANCE:
        raise MmercError(
            f"The ONNX file of {model.name} differs from the model by {difference:.2g} in a logit "
            "and was not kept; use the model itself."
        )
    return Exported(
        inputs={item.name: list(item.shape) for item in session.get_inputs()},
        outputs={item.name: list(item.shape) for item in session.get_outputs()},
        difference=difference,
        size=path.stat().st_size,
    )
