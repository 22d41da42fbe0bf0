"""``measures.csv``: one row per measure; descriptions of its columns."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path

from mmerc.csv_text import format_csv
from mmerc.errors import InputError
from mmerc.files import read_text, write_text
from mmerc.studies.measure_row import Measure
from mmerc.studies.table_columns import Kind, TableColumn

MEASURES_FILE = "measures.csv"
_WHOLE = ("count", "shuffles", "seed")
_DIGITS = 6
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_TEXTS = ("measure", "emotion", "next_emotion", "condition", "reference", "null")
_VALUE_UNIT = "share; bits for entropy"
_VALUE_RANGE = "0 to 1; entropy 0 to log2(number of emotions)"
_EFFECT_RANGE = "-1 to 1; entropy: plus or minus log2(number of emotions)"


def measure_columns() -> tuple[TableColumn, ...]:
    """Return the columns of ``measures.csv``, for the codebook."""
    value, effect = (_VALUE_UNIT, _VALUE_RANGE), (_VALUE_UNIT, _EFFECT_RANGE)
    return (
        _column(
            "measure",
            "share, entropy, inertia (a speaker's next utterance has the same emotion), contagion "
            "(the next utterance, of another speaker, has the same emotion), transition, or, in "
            "comparisons, inertia and contagion above chance",
        ),
        _column("emotion", "emotion of the first utterance; empty: all emotions"),
        _column("next_emotion", "emotion of the second utterance of a transition"),
        _column("condition", "condition that is compared; empty: the whole study"),
        _column("reference", "condition that it is compared with"),
        _column("count", "utterances or pairs in the denominator", "", "0 or more"),
        _column("value", "the measure (in comparisons, of the condition)", *value),
        _column("value_low", "lower end of the value's 95 % interval (bootstrap)", *value),
        _column("value_high", "upper end of the value's 95 % interval", *value),
        _column("expected", "mean over all shuffles (in comparisons, the reference)", *value),
        _column("expected_low", "2.5 % quantile of the shuffles", *value),
        _column("expected_high", "97.5 % quantile of the shuffles", *value),
        _column("effect", "value minus expected", *effect),
        _column("effect_low", "lower end of the effect's 95 % interval (bootstrap)", *effect),
        _column("effect_high", "upper end of the effect's 95 % interval", *effect),
        _column("z", "effect in standard deviations of the shuffles", "standard deviations"),
        _column("p_value", "two-sided permutation p value; empty: not tested", "", "0 to 1"),
        _column("p_holm", "p value after Holm's correction for all tests", "", "0 to 1"),
        _column("null", "what is shuffled: permuted, shifted or permuted conditions"),
        _column("shuffles", "number of shuffles behind the p value", "", "1 or more"),
        _column("seed", "seed of the shuffles"),
    )


def _column(name: str, meaning: str, unit: str = "", limits: str = "") -> TableColumn:
    kind: Kind = "text" if name in _TEXTS else "integer" if name in _WHOLE else "number"
    return TableColumn(name=name, kind=kind, meaning=meaning, unit=unit, range=limits)


def write_measures(path: str | Path, rows: Sequence[Measure]) -> None:
    """Write measures as CSV; numbers have six decimals."""
    formatted = (
        {name: _format(value) for name, value in asdict(row).items() if value is not None}
        for row in rows
    )
    names = [column.name for column in measure_columns()]
    write_text(Path(path), format_csv(names, formatted))


def read_measures(path: str | Path) -> list[Measure]:
    """Read a file written by ``write_measures``; InputError if damaged."""
    rows = []
    for number, row in enumerate(csv.DictReader(io.StringIO(read_text(Path(path)))), start=2):
        try:
            values = {item.name: _parse(item.name, row[item.name]) for item in fields(Measure)}
            rows.append(Measure(**values))  # type: ignore[arg-type]
        except (KeyError, TypeError, ValueError) as error:
            fix = "run mmerc study measures again"
            raise InputError(f"{path}, line {number}", "is damaged", fix) from error
    return rows


def _format(value: float | int | str) -> float | int | str:
    """Round a number; protect texts that spreadsheets would compute with an apostrophe."""
    if isinstance(value, float):
        return round(value, _DIGITS) + 0.0  # avoids -0
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def _parse(name: str, text: str) -> str | int | float | None:
    """Parse a cell as the value of a measure."""
    if name in _TEXTS:
        return text[1:] if text.startswith("'") and text[1:].startswith(_FORMULA) else text
    if not text:
        return None
    return int(text) if name in _WHOLE else float(text)
