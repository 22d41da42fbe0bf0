"""Scores of labelled utterances, stored with a model for its prediction sets."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self, cast

from mmerc.conversation import MODALITIES, Modality
from mmerc.errors import InputError
from mmerc.files import read_json, write_text

SET_SCORES_FILE = "prediction_sets.json"
ANY_MODALITIES = "any"
_JOINT = "+"
_STEPS = 100_000  # resolution of saved scores: steps per unit


def modality_key(modalities: Iterable[Modality]) -> str:
    """Return the name of a set of modalities, such as ``text+audio``."""
    chosen = set(modalities)
    return _JOINT.join(modality for modality in MODALITIES if modality in chosen)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreGrid:
    """Sorted scores of ``count`` utterances, reduced to quantiles."""

    count: int
    grid: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModalityScores:
    """Scores for one set of modalities: of all utterances, and per label."""

    method: Literal["lac", "aps"]
    every: ScoreGrid
    by_label: tuple[ScoreGrid, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SetScores:
    """Scores of a model for each set of modalities (``modality_key``, or ``any``).

    ``source`` describes the utterances in words.
    """

    source: str
    by_modalities: Mapping[str, ModalityScores]

    def find(self, modalities: Iterable[Modality]) -> ModalityScores | None:
        """Return the scores for these modalities; None if there are none."""
        key = modality_key(modalities)
        return self.by_modalities.get(key or "none", self.by_modalities.get(ANY_MODALITIES))

    def write(self, folder: Path) -> None:
        """Write the scores to a model's folder."""
        value = {
            "source": self.source,
            "modalities": {
                key: {
                    "method": item.method,
                    "every": _grid_values(item.every),
                    "by_label": [_grid_values(grid) for grid in item.by_label],
                }
                for key, item in self.by_modalities.items()
            },
        }
        write_text(folder / SET_SCORES_FILE, json.dumps(value, ensure_ascii=False) + "\n")

    @classmethod
    def read(cls, folder: Path, *, labels: int) -> Self | None:
        """Read the scores in a model folder; None if missing, InputError if damaged."""
        path = folder / SET_SCORES_FILE
        if not path.is_file():
            return None
        try:
            value = read_json(path)
            scores = {
                str(key): ModalityScores(
                    method=_read_method(item["method"]),
                    every=_read_grid(item["every"]),
                    by_label=tuple(map(_read_grid, item["by_label"])),
                )
                for key, item in cast("dict[str, Any]", value)["modalities"].items()
            }
            if any(len(item.by_label) != labels for item in scores.values()):
                raise ValueError("another number of labels")
            return cls(source=str(cast("dict[str, Any]", value)["source"]), by_modalities=scores)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            problem = "scores for prediction sets that do not fit the model"
            raise InputError(path, problem, "copy the complete model folder again") from error


def _grid_values(grid: ScoreGrid) -> dict[str, object]:
    """Convert a grid for saving; rounded up so that no prediction set shrinks."""
    rounded = [math.ceil(_STEPS * score - 1e-6) / _STEPS for score in grid.grid]
    return {"count": grid.count, "grid": rounded}


def _read_grid(value: Any) -> ScoreGrid:
    """Read a grid; ValueError for one that is not sorted."""
    grid = tuple(map(float, value["grid"]))
    count = int(value["count"])
    if list(grid) != sorted(grid) or not (len(grid) <= count and bool(grid) == bool(count)):
        raise ValueError("not sorted scores")
    return ScoreGrid(count=count, grid=grid)


def _read_method(value: Any) -> Literal["lac", "aps"]:
    """Read the name of a method."""
    if value not in {"lac", "aps"}:
        raise ValueError(f"unknown method {value!r}")
    return cast("Literal['lac', 'aps']", value)
