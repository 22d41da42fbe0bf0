"""A row of a study's measures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from mmerc.evaluation.multiple_tests import holm

ROUNDING = 1e-9
_ALPHA = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """A measure with its expected value by chance and a test of the difference.

    ``emotion`` is the first emotion of the pairs counted (empty: all), ``next_emotion`` the second
    of a transition. ``count``: utterances or pairs in the denominator. ``value`` and ``expected``,
    its mean over all shuffles, are shares (0 to 1); entropy is in bits. ``effect`` is ``value``
    minus ``expected``. Intervals of ``value`` and ``effect`` are bootstrap intervals over
    recordings; that of ``expected`` contains 95 % of the shuffles. ``z`` is the effect in standard
    deviations of the shuffles. ``p_value`` is two-sided, ``p_holm`` corrected for all tests of a
    call. None: not defined, or not tested.

    ``shuffles`` and ``seed`` were used for the p value.

    In a comparison of ``condition`` with ``reference``, ``value`` belongs to the condition and
    ``expected`` to the reference.
    """

    measure: str
    emotion: str = ""
    next_emotion: str = ""
    condition: str = ""
    reference: str = ""
    count: int
    value: float | None
    value_low: float | None = None
    value_high: float | None = None
    expected: float | None = None
    expected_low: float | None = None
    expected_high: float | None = None
    effect: float | None = None
    effect_low: float | None = None
    effect_high: float | None = None
    z: float | None = None
    p_value: float | None = None
    p_holm: float | None = None
    null: str = ""
    shuffles: int | None = None
    seed: int | None = None


def correct_for_many_tests(rows: Sequence[Measure]) -> list[Measure]:
    """Set ``p_holm``: Holm's correction (1979) over all tests in ``rows``."""
    tested = [number for number, row in enumerate(rows) if row.p_value is not None]
    adjusted = holm([float(rows[number].p_value or 0.0) for number in tested])
    corrected = list(rows)
    for number, p_value in zip(tested, adjusted, strict=True):
        corrected[number] = replace(rows[number], p_holm=p_value)
    return corrected


def needed_shuffles(rows: Sequence[Measure]) -> int:
    """Return the fewest shuffles that allow a corrected p value below 0.05."""
    return int(sum(row.p_value is not None for row in rows) / _ALPHA)
