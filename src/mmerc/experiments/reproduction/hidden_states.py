"""Hidden states of a saved model per utterance, stored in its run.

Predictions do not contain them; one pass over the test split computes them without training.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray
from torch import Tensor

from mmerc.data.batch import ConversationBatch
from mmerc.data.corpus import PreparedCorpus
from mmerc.errors import InputError
from mmerc.evaluation.predictions import Predictions
from mmerc.experiments.reproduction.masking import corpus_key
from mmerc.experiments.reproduction.results import TrainedRow
from mmerc.files import atomic_file
from mmerc.models.base import AnyModel, ModelOutput
from mmerc.models.registry import load_model
from mmerc.training.hardware import Hardware
from mmerc.training.scoring import predict_corpus

_Recorder = Callable[[AnyModel, ConversationBatch, ModelOutput], Mapping[str, Tensor]]
HiddenStates = Mapping[str, NDArray[Any]]  # by name; with conversation, utterance, gold, predicted


def hidden_states(
    trained: TrainedRow,
    index: int,
    name: str,
    recorder: _Recorder,
    positions: NDArray[np.intp] | None = None,
) -> HiddenStates:
    """Return the output of ``recorder`` for one seed's test utterances (all, or ``positions``).

    ``index`` is the seed's index in ``trained.seeds``. The result is stored in the seed's folder as
    ``name``. Shape: every array [N] or [N, D], in the order of the positions.
    """
    keys = trained.test[index].keys
    if positions is not None:
        keys = [keys[position] for position in positions]
    folder = trained.run.seed_directory(trained.seeds[index])
    return _stored_hidden_states(
        folder, name, recorder, trained.run.corpus, keys=keys, hardware=trained.hardware
    )


def _stored_hidden_states(
    folder: Path,
    name: str,
    recorder: _Recorder,
    corpus: PreparedCorpus,
    *,
    keys: Sequence[tuple[str, str]],
    hardware: Hardware | None = None,
) -> HiddenStates:
    """Read ``inside-NAME-KEY.parquet`` of a seed's folder, or compute it with its model.

    ``keys`` are the utterances by conversation and id; KEY is the corpus's.
    """
    path = folder / f"inside-{name}-{corpus_key(corpus)}.parquet"
    if path.is_file():
        stored = _read(path)
        if list(zip(stored["conversation"], stored["utterance"], strict=True)) == list(keys):
            return stored
    predictions, tensors = _record(load_model(folder / "model"), recorder, corpus, hardware)
    row_by_key = {key: row for row, key in enumerate(predictions.keys)}
    rows = np.array([row_by_key[key] for key in keys], dtype=np.intp)
    _write(path, predictions.take(rows), {name: tensor[rows] for name, tensor in tensors.items()})
    return _read(path)


def _record(
    model: AnyModel, recorder: _Recorder, corpus: PreparedCorpus, hardware: Hardware | None
) -> tuple[Predictions, Mapping[str, Tensor]]:
    """Predict the test split and call ``recorder`` with every batch and its output.

    Shape: what it returns, [B, N, ...], becomes [M, ...] in the order of the predictions.
    """
    by_conversation: dict[int, Mapping[str, Tensor]] = {}

    def hook(module: Any, arguments: tuple[ConversationBatch], output: ModelOutput) -> None:
        batch = arguments[0]
        tensors = recorder(model, batch, output)
        for row, index in enumerate(batch.indices.tolist()):
            mask = batch.mask[row]
            unpadded = {name: tensor[row][mask].float().cpu() for name, tensor in tensors.items()}
            by_conversation.setdefault(index, unpadded)

    handle = model.register_forward_hook(hook)
    try:
        with torch.inference_mode():
            predictions = predict_corpus(model, corpus, "test", hardware=hardware)
    finally:
        handle.remove()
    ordered = [by_conversation[index] for index in sorted(by_conversation)]
    return predictions, {name: torch.cat([item[name] for item in ordered]) for name in ordered[0]}


def _write(path: Path, predictions: Predictions, tensors: Mapping[str, Tensor]) -> None:
    """Write Parquet atomically; vectors become lists, NaN stays NaN."""
    columns: dict[str, Any] = {
        "conversation": pa.array(predictions.conversations, pa.string()),
        "utterance": pa.array(predictions.utterances, pa.string()),
        "gold": pa.array(predictions.gold),
        "predicted": pa.array(predictions.predicted),
    }
    for name, tensor in tensors.items():
        values = pa.array(tensor.flatten().numpy(), pa.float32())
        if tensor.ndim > 1:
            columns[name] = pa.FixedSizeListArray.from_arrays(values, tensor.shape[1])
        else:
            columns[name] = values
    with atomic_file(path) as temporary:
        pq.write_table(pa.table(columns), temporary, compression="zstd")


def _read(path: Path) -> HiddenStates:
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowException) as error:
        raise InputError(path, "truncated", "remove it; it will be written again") from error
    arrays: dict[str, NDArray[Any]] = {}
    for name in table.column_names:
        column = table.column(name).combine_chunks()
        if pa.types.is_fixed_size_list(column.type):
            arrays[name] = column.flatten().to_numpy().reshape(len(column), -1)
        elif pa.types.is_string(column.type):
            arrays[name] = np.asarray(column.to_pylist())
        else:
            arrays[name] = np.asarray(column.to_numpy())
    return arrays
