"""The implementation of ``mmerc study measures``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from mmerc.studies.condition_tests import compare_conditions, read_conditions
from mmerc.studies.measure_row import Measure, correct_for_many_tests
from mmerc.studies.null_tests import measure_sequences
from mmerc.studies.sequences import read_sequences


def measure_study(
    study: str | Path, *, shuffles: int = 2000, seed: int = 0, by: str | None = None
) -> list[Measure]:
    """Measure the study in a folder; ``by``: also compare the values of this column.

    InputError if the study's tables are missing or damaged, UsageError for impossible settings.
    """
    sequences = read_sequences(study)
    rows = measure_sequences(sequences, shuffles=shuffles, seed=seed)
    if by is not None:
        conditions = read_conditions(study, sequences, by)
        rows += compare_conditions(sequences, conditions, permutations=shuffles, seed=seed)
    rows = [
        row if row.p_value is None else replace(row, shuffles=shuffles, seed=seed) for row in rows
    ]
    return correct_for_many_tests(rows)
