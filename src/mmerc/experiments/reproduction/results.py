"""The results of a target: the input of all figures and tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmerc.evaluation.comparison import Versus
from mmerc.evaluation.metrics import FROM_CONFUSION, Metric, confusion
from mmerc.evaluation.predictions import Predictions
from mmerc.experiments.reproduction.targets import (
    PaperScores,
    ReferenceCorpus,
    Target,
    TargetRow,
)
from mmerc.training.folder import Run
from mmerc.training.hardware import Hardware

Epoch = Mapping[str, float]  # a line of history.csv


@dataclass(frozen=True, kw_only=True)
class TrainedRow:
    """The finished runs of a row, per seed: test predictions, epochs and machines.

    ``hardware`` is for rerunning the saved models if a figure needs them.
    """

    row: TargetRow
    run: Run
    seeds: tuple[int, ...]
    test: tuple[Predictions, ...]
    history: tuple[tuple[Epoch, ...], ...]
    machines: tuple[Mapping[str, Any] | None, ...]
    hardware: Hardware

    @cached_property
    def confusions(self) -> NDArray[np.int64]:
        """Confusion matrices of all seeds. Shape: [S, K, K], rows gold."""
        return np.stack([confusion(predictions) for predictions in self.test])

    def values(self, metric: Metric) -> list[float]:
        """Return the metric of every seed, in percent."""
        return [float(value) for value in FROM_CONFUSION[metric](self.confusions)]

    @property
    def seconds(self) -> list[float]:
        """Training seconds of every seed."""
        return [sum(epoch["seconds"] for epoch in epochs) for epochs in self.history]


@dataclass(frozen=True, slots=True, kw_only=True)
class RowScores:
    """Our scores of a row in percent: mean and deviation of the target's metric over seeds.

    ``interval`` is the 95 % interval over conversations; ``versus`` compares with the baseline.
    """

    mean: float
    std: float
    interval: tuple[float, float] | None
    accuracy: float
    per_class: Mapping[str, float | None]
    seeds: int
    versus: Versus | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredRow:
    """The paper's and our scores of a row; ``paper_difference`` is relative to the baseline."""

    row: TargetRow
    paper: PaperScores
    paper_difference: float | None
    ours: RowScores | None
    left_out: str = ""

    @property
    def versus(self) -> Versus | None:
        """Our comparison with the baseline; None if either was not trained."""
        return None if self.ours is None else self.ours.versus

    @property
    def difference(self) -> float | None:
        """Our score minus the baseline's."""
        return None if self.versus is None else self.versus.bootstrap.difference

    @property
    def same_sign(self) -> bool | None:
        """Whether the paper's difference has the same sign; None if one is unknown or 0."""
        if not self.difference or not self.paper_difference:
            return None
        return (self.difference > 0) == (self.paper_difference > 0)

    @property
    def excludes_zero(self) -> bool | None:
        """Whether the interval of our difference excludes 0."""
        if self.versus is None:
            return None
        return self.versus.bootstrap.low > 0 or self.versus.bootstrap.high < 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetResults:
    """All rows of a target: ``trained`` rows, and all rows with their scores (``scored``).

    They are compared with ``baseline`` by ``metric``.
    """

    target: Target
    reference: ReferenceCorpus
    metric: Metric
    baseline: TrainedRow
    trained: tuple[TrainedRow, ...]
    scored: tuple[ScoredRow, ...]
