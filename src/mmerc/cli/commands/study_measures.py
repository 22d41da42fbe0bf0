"""``mmerc study measures``: measure inertia, contagion and transitions against chance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mmerc.cli.output import JsonOption, print_json, print_table, remark

if TYPE_CHECKING:
    from mmerc.studies.measure_row import Measure

EXAMPLES = ("mmerc study measures STUDY", "mmerc study measures STUDY --by condition")
_TRANSITIONS = 10  # number printed; measures.csv has all


def measures(
    study: Annotated[Path, typer.Argument(help="Folder of a study (`mmerc analyze --out`).")],
    shuffles: Annotated[int, typer.Option(min=1, help="Number of shuffles.")] = 2000,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the shuffles.")] = 0,
    by: Annotated[
        str | None, typer.Option(help="Column of the study whose values are compared.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Measure inertia and contagion against chance.

    Writes STUDY/measures.csv. Each measure is compared with shuffles of every speaker's emotions
    that keep who speaks when; p values are corrected for all tests (Holm).
    """
    from mmerc.studies.measure_row import needed_shuffles
    from mmerc.studies.measures import measure_study
    from mmerc.studies.measures_table import MEASURES_FILE, write_measures

    rows = measure_study(study, shuffles=shuffles, seed=seed, by=by)
    write_measures(study / MEASURES_FILE, rows)
    if needed_shuffles(rows) > shuffles + 1:
        remark(
            f"note: with {shuffles} shuffles no corrected p value can be below 0.05; "
            f"use --shuffles {needed_shuffles(rows)} or more."
        )
    if as_json:
        print_json({"measures": [asdict(row) for row in rows]})
        return
    _print_rows(rows)
    print(f"\n{study / MEASURES_FILE}")


def _print_rows(rows: Sequence[Measure]) -> None:
    """Print the study's measures, most unusual transitions, and comparisons."""
    measures = [row for row in rows if not row.condition and row.measure != "transition"]
    transitions = [row for row in rows if row.measure == "transition" and row.p_value is not None]
    transitions.sort(key=lambda row: -abs(row.z or 0.0))
    columns = ["measure", "n", "value", "by chance", "effect", "95 % interval", "z", "p", "Holm"]
    print_table(columns, [_cells(row) for row in (*measures, *transitions[:_TRANSITIONS])])
    if len(transitions) > _TRANSITIONS:
        print(f"({_TRANSITIONS} of {len(transitions)} transitions, the furthest from chance)")
    compared = [row for row in rows if row.condition]
    for pair in dict.fromkeys((row.condition, row.reference) for row in compared):
        print(f"\n{pair[0]} against {pair[1]}:")
        columns[3] = "reference"
        matching = [row for row in compared if (row.condition, row.reference) == pair]
        print_table(columns, [_cells(row) for row in matching])


def _cells(row: Measure) -> list[str]:
    """Build a row of the table."""
    name = " ".join(part for part in (row.measure, row.emotion) if part)
    low, high = row.effect_low, row.effect_high
    if row.effect is None:
        low, high = row.value_low, row.value_high
    return [
        f"{name} > {row.next_emotion}" if row.next_emotion else name,
        str(row.count),
        _number(row.value),
        _number(row.expected),
        _number(row.effect, sign="+"),
        "-" if low is None or high is None else f"{low:.3f} to {high:.3f}",
        _number(row.z, digits=1, sign="+"),
        _number(row.p_value, digits=4),
        _number(row.p_holm, digits=4),
    ]


def _number(value: float | None, *, digits: int = 3, sign: str = "") -> str:
    return "-" if value is None else f"{value:{sign}.{digits}f}"
