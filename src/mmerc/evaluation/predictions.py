"""Predicted and gold labels of every utterance of a split."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from mmerc.conversation import MODALITIES, Modality
from mmerc.errors import InputError
from mmerc.files import atomic_file
from mmerc.labels import UNKNOWN_LABEL, LabelSet

_METADATA_KEY = b"mmerc.predictions"
_SUM_TOLERANCE = 0.01  # maximum deviation from 1 of a half-precision softmax


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Predictions:
    """One row per utterance, in any order; each (conversation, utterance) pair occurs once.

    Shape: gold [N] int64 (-100 unknown), probabilities [N, K] float32, each of ``weights`` [N]
    float32 (NaN if the modality is absent), similarity and context_weight [N] float32 (NaN
    where the model has none). InputError if shapes, labels or probabilities are invalid.
    """

    labels: LabelSet
    conversations: tuple[str, ...]
    utterances: tuple[str, ...]
    gold: NDArray[np.int64]
    probabilities: NDArray[np.float32]
    weights: Mapping[Modality, NDArray[np.float32]]
    similarity: NDArray[np.float32]
    context_weight: NDArray[np.float32]

    def __post_init__(self) -> None:
        _check_shapes(self)
        _check_values(self)

    def __len__(self) -> int:
        return len(self.utterances)

    @property
    def predicted(self) -> NDArray[np.int64]:
        """Index of the most probable label; the first one if tied.

        Shape: [N].
        """
        return np.asarray(np.argmax(self.probabilities, axis=1), dtype=np.int64)

    @property
    def keys(self) -> list[tuple[str, str]]:
        """Conversation id and utterance id of each row."""
        return list(zip(self.conversations, self.utterances, strict=True))

    def with_gold(self) -> Predictions:
        """Return the rows that have a gold label."""
        labelled = self.gold >= 0
        return self if labelled.all() else self.where(labelled)

    def where(self, mask: NDArray[np.bool_]) -> Predictions:
        """Return the rows where ``mask`` is true.

        Shape: mask [N].
        """
        if mask.shape != (len(self),) or mask.dtype != np.bool_:
            raise ValueError(f"expected {len(self)} booleans, got {mask.dtype} {mask.shape}")
        return self.take(np.flatnonzero(mask))

    def take(self, rows: NDArray[np.intp]) -> Predictions:
        """Return the rows at these positions, in that order."""
        return Predictions(
            labels=self.labels,
            conversations=tuple(self.conversations[row] for row in rows),
            utterances=tuple(self.utterances[row] for row in rows),
            gold=self.gold[rows],
            probabilities=self.probabilities[rows],
            weights={modality: weight[rows] for modality, weight in self.weights.items()},
            similarity=self.similarity[rows],
            context_weight=self.context_weight[rows],
        )

    def save(self, path: Path) -> None:
        """Write Parquet atomically; NaN and unknown labels become null."""
        details = {"labels": self.labels.to_json(), "weights": list(self.weights)}
        table = pa.table(_to_columns(self))
        table = table.replace_schema_metadata({_METADATA_KEY: json.dumps(details).encode()})
        with atomic_file(path) as temporary:
            pq.write_table(table, temporary)

    @classmethod
    def load(cls, path: Path) -> Predictions:
        """Read a file written by ``save``; InputError if missing or damaged."""
        try:
            with pq.ParquetFile(path) as file:
                table = file.read()
            return _from_table(table, json.loads(table.schema.metadata[_METADATA_KEY]))
        except InputError as error:
            raise error.inside(path) from error
        except FileNotFoundError as error:
            raise InputError(path, "no such file", "check the path") from error
        except (OSError, KeyError, TypeError, ValueError, pa.ArrowException) as error:
            raise InputError(path, "not a file of predictions", "write it again") from error


def _check_shapes(predictions: Predictions) -> None:
    """Refuse columns of different lengths, and wrong numbers of probabilities."""
    count = len(predictions.utterances)
    shapes = {
        "conversations": (len(predictions.conversations),),
        "gold": predictions.gold.shape,
        "similarity": predictions.similarity.shape,
        "context_weight": predictions.context_weight.shape,
        **{f"weight {name}": weight.shape for name, weight in predictions.weights.items()},
    }
    wrong = {name: shape for name, shape in shapes.items() if shape != (count,)}
    if predictions.probabilities.shape != (count, len(predictions.labels)):
        wrong["probabilities"] = predictions.probabilities.shape
    if wrong:
        problem = f"expected {count} utterances of {len(predictions.labels)} labels, got {wrong}"
        raise InputError("predictions", problem, "give every utterance one row in each column")


def _check_values(predictions: Predictions) -> None:
    """Refuse repeated utterances, unknown labels and invalid probabilities."""
    if len(set(predictions.keys)) != len(predictions):
        fix = "predict each utterance once"
        raise InputError("predictions", "an utterance occurs twice in its conversation", fix)
    gold, count = predictions.gold, len(predictions.labels)
    if not (((gold >= 0) & (gold < count)) | (gold == UNKNOWN_LABEL)).all():
        problem = f"a gold label is neither {UNKNOWN_LABEL} nor one of 0 to {count - 1}"
        raise InputError("predictions", problem, "use the label set that the corpus has")
    probabilities = predictions.probabilities
    sums = probabilities.sum(axis=1, dtype=np.float64)
    good = (probabilities >= 0).all(axis=1) & (np.abs(sums - 1) <= _SUM_TOLERANCE)
    if not good.all():
        row = int(np.flatnonzero(~good)[0])
        where = f"predictions, conversation {predictions.conversations[row]!r}, "
        problem = f"the probabilities are {probabilities[row].tolist()}, which do not sum to 1"
        fix = "pass the softmax of finite logits"
        raise InputError(where + repr(predictions.utterances[row]), problem, fix)


def _to_columns(predictions: Predictions) -> dict[str, Any]:
    """Return Arrow columns by name; every modality has a column, empty without weights."""
    names = predictions.labels.names
    empty = np.full(len(predictions), np.nan, np.float32)
    gold = [names[label] if label >= 0 else None for label in predictions.gold]
    numbers = {
        f"probability_{name}": predictions.probabilities[:, i] for i, name in enumerate(names)
    }
    numbers |= {f"weight_{name}": predictions.weights.get(name, empty) for name in MODALITIES}
    numbers |= {
        "similarity": predictions.similarity,
        "context_weight": predictions.context_weight,
    }
    return {
        "conversation": pa.array(predictions.conversations, pa.string()),
        "utterance": pa.array(predictions.utterances, pa.string()),
        "gold": pa.array(gold, pa.string()),
        "predicted": pa.array([names[label] for label in predictions.predicted], pa.string()),
    } | {name: _nullable(column) for name, column in numbers.items()}


def _nullable(column: NDArray[np.float32]) -> Any:
    """Arrow float32 column with null for NaN."""
    return pa.array(column, pa.float32(), mask=np.isnan(column))


def _from_table(table: Any, details: Mapping[str, Any]) -> Predictions:
    """Rebuild predictions from their Arrow table and its metadata."""

    def numbers(name: str) -> NDArray[np.float32]:
        return np.array(table.column(name).to_numpy(), dtype=np.float32)

    labels = LabelSet.from_json(details["labels"])
    gold = [labels.index(label) for label in table.column("gold").to_pylist()]
    return Predictions(
        labels=labels,
        conversations=tuple(table.column("conversation").to_pylist()),
        utterances=tuple(table.column("utterance").to_pylist()),
        gold=np.array(gold, dtype=np.int64),
        probabilities=np.stack([numbers(f"probability_{name}") for name in labels], axis=1),
        weights={
            name: numbers(f"weight_{name}") for name in MODALITIES if name in details["weights"]
        },
        similarity=numbers("similarity"),
        context_weight=numbers("context_weight"),
    )
