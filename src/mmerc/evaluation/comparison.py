"""Compare runs and test their differences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mmerc.evaluation.metrics import FROM_CONFUSION, Metric, confusion, labelled
from mmerc.evaluation.multiple_tests import holm
from mmerc.evaluation.predictions import Predictions
from mmerc.evaluation.significance import (
    PairedDifference,
    SeedTest,
    mcnemar,
    paired_bootstrap,
    seed_test,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Versus:
    """Difference of a run from the reference, positive if the run is better.

    ``bootstrap`` resamples conversations; ``seeds`` compares the seeds' scores;
    ``mcnemar_p_values`` has one value per pair of seeds. ``adjusted`` is the bootstrap's p value
    with Holm's correction over all compared runs.
    """

    name: str
    bootstrap: PairedDifference
    seeds: SeedTest
    mcnemar_p_values: tuple[float, ...]
    adjusted: float


def compare_runs(
    runs: Mapping[str, Sequence[Predictions]], *, metric: Metric = "weighted_f1"
) -> list[Versus]:
    """Compare all other runs with the first; all must cover the same utterances."""
    (_, reference), *others = runs.items()
    compared = [(name, paired_bootstrap(run, reference, metric=metric)) for name, run in others]
    adjusted = holm([comparison.p_value for _, comparison in compared])
    return [
        Versus(
            name=name,
            bootstrap=comparison,
            seeds=seed_test(values(runs[name], metric), values(reference, metric)),
            mcnemar_p_values=tuple(
                mcnemar(one, other) for one, other in zip(runs[name], reference, strict=False)
            ),
            adjusted=corrected,
        )
        for (name, comparison), corrected in zip(compared, adjusted, strict=True)
    ]


def values(run: Sequence[Predictions], metric: Metric) -> list[float]:
    """Return the metric of every seed."""
    return [float(FROM_CONFUSION[metric](confusion(labelled(seed)))) for seed in run]
