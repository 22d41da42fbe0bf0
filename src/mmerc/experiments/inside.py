"""What a saved model does inside, utterance by utterance, kept beside its run as Parquet.

Predictions do not hold it; one pass over the test split brings it, and no figure needs training.
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
from mmerc.experiments.masking import answer_key
from mmerc.files import atomic_file
from mmerc.models.base import AnyModel, ModelOutput
from mmerc.models.registry import load_model
from mmerc.training.hardware import Hardware
from mmerc.training.scoring import predict_corpus

Look = Callable[[AnyModel, ConversationBatch, ModelOutput], Mapping[str, Tensor]]
Inside = Mapping[str, NDArray[Any]]


def look_inside(
    folder: Path,
    name: str,
    look: Look,
    corpus: PreparedCorpus,
    *,
    keys: Sequence[tuple[str, str]],
    hardware: Hardware | None = None,
) -> Inside:
    """What ``look`` sees of the test utterances ``keys``, by conversation and utterance.

    It is read from ``inside-NAME-KEY.parquet``, or made of the seed's model and kept there; the
    key is that of the corpus.
    Shape: every array [N] or [N, D], in the order of ``keys``; ``gold`` and ``predicted`` [N] are
    among them.
    """
    path = folder / f"inside-{name}-{answer_key(corpus)}.parquet"
    if path.is_file():
        found = read(path)
        if list(zip(found["conversation"], found["utterance"], strict=True)) == list(keys):
            return found
    made, seen = observe(load_model(folder / "model"), look, corpus, hardware)
    places = {key: place for place, key in enumerate(made.keys)}
    rows = np.array([places[key] for key in keys], dtype=np.intp)
    keep(path, made.take(rows), {name: tensor[rows] for name, tensor in seen.items()})
    return read(path)


def observe(
    model: AnyModel, look: Look, corpus: PreparedCorpus, hardware: Hardware | None
) -> tuple[Predictions, Mapping[str, Tensor]]:
    """Predict the test split and have ``look`` watch each batch.

    Shape: what it sees, [B, N, ...], becomes [M, ...] in the order of the predictions.
    """
    pieces: dict[int, Mapping[str, Tensor]] = {}

    def watch(module: Any, arguments: tuple[ConversationBatch], output: ModelOutput) -> None:
        batch = arguments[0]
        seen = look(model, batch, output)
        for row, index in enumerate(batch.indices.tolist()):
            mask = batch.mask[row]
            piece = {name: tensor[row][mask].float().cpu() for name, tensor in seen.items()}
            pieces.setdefault(index, piece)

    handle = model.register_forward_hook(watch)
    with torch.inference_mode():
        made = predict_corpus(model, corpus, "test", hardware=hardware)
    handle.remove()
    ordered = [pieces[index] for index in sorted(pieces)]
    return made, {name: torch.cat([p[name] for p in ordered]) for name in ordered[0]}


def keep(path: Path, made: Predictions, seen: Mapping[str, Tensor]) -> None:
    """Write what was seen, whole or not at all; vectors become lists, NaN stays."""
    columns: dict[str, Any] = {
        "conversation": pa.array(made.conversations, pa.string()),
        "utterance": pa.array(made.utterances, pa.string()),
        "gold": pa.array(made.gold),
        "predicted": pa.array(made.predicted),
    }
    for name, tensor in seen.items():
        values = pa.array(tensor.flatten().numpy(), pa.float32())
        wide = tensor.ndim > 1
        columns[name] = (
            pa.FixedSizeListArray.from_arrays(values, tensor.shape[1]) if wide else values
        )
    with atomic_file(path) as temporary:
        pq.write_table(pa.table(columns), temporary, compression="zstd")


def read(path: Path) -> Inside:
    """Read what ``keep`` wrote."""
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowException) as error:
        raise InputError(path, "truncated", "remove it; it will be made again") from error
    found: dict[str, NDArray[Any]] = {}
    for name in table.column_names:
        column = table.column(name).combine_chunks()
        if pa.types.is_fixed_size_list(column.type):
            found[name] = column.flatten().to_numpy().reshape(len(column), -1)
        else:
            found[name] = np.asarray(
                column.to_pylist() if name in {"conversation", "utterance"} else column.to_numpy()
            )
    return found
