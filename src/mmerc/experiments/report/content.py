"""What a report says, before it is written as a page or as Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mmerc.evaluation.comparison import Versus
from mmerc.experiments.figures.style import METRIC_NAMES, Drawn
from mmerc.experiments.measured import Measured
from mmerc.experiments.plan import Plan
from mmerc.experiments.scores import ScoredRow

NOTHING = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table of the report; cells are text already."""

    title: str
    note: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A report in its order: ``lines`` below the title; ``annex`` are figures after the tables."""

    title: str
    lines: tuple[str, ...]
    remarks: tuple[str, ...]
    figures: tuple[Drawn, ...]
    tables: tuple[Table, ...]
    annex: tuple[Drawn, ...] = ()


def score_table(plan: Plan, scored: Sequence[ScoredRow]) -> Table:
    """Every row's score, the paper's beside it."""
    name, compared = METRIC_NAMES[plan.target.metric], plan.comparison.compare.upper()
    return Table(
        title="Scores",
        note=(
            "Percent; mean and deviation over seeds, 95 % bootstrap interval over conversations of "
            "the test split, which was opened once a seed, after training."
        ),
        columns=(
            "row", f"{name}, paper ({compared})", "accuracy, paper", f"{name}, ours", "interval",
            "accuracy, ours", "seeds", "ours less paper's",
        ),
        rows=tuple(score_cells(plan, row) for row in scored),
    )  # fmt: skip


def score_cells(plan: Plan, row: ScoredRow) -> tuple[str, ...]:
    """Cells of one row."""
    paper = getattr(row.paper, plan.target.metric, None)
    quoted = (row.row.name, number(paper), number(row.paper.accuracy))
    if row.ours is None:
        return (*quoted, "left out" if row.left_out else "not trained here", *[NOTHING] * 4)
    ours = row.ours
    return (
        *quoted,
        number(ours.mean) if ours.seeds == 1 else f"{ours.mean:.2f} ± {ours.std:.2f}",
        NOTHING if ours.interval is None else "{:.2f} to {:.2f}".format(*ours.interval),
        number(ours.accuracy),
        str(ours.seeds),
        NOTHING if paper is None else f"{ours.mean - paper:+.2f}",
    )


def difference_table(plan: Plan, scored: Sequence[ScoredRow]) -> Table | None:
    """Every row against the baseline: the tests, and whether the paper has the same sign."""
    rows = tuple(difference_cells(r, r.versus) for r in scored if r.versus is not None)
    if not rows:
        return None
    return Table(
        title=f"Differences from {plan.target.baseline}",
        note=(
            f"Points of {METRIC_NAMES[plan.target.metric]}, below 0 where the row is worse. The "
            "bootstrap is paired over conversations; Holm's correction is over the rows of this "
            "table; t is paired over seeds."
        ),
        columns=(
            "row", "paper's", "ours", "interval", "bootstrap p", "Holm p", "t over seeds p",
            "same sign as the paper",
        ),
        rows=rows,
    )  # fmt: skip


def difference_cells(row: ScoredRow, versus: Versus) -> tuple[str, ...]:
    """Cells of one row that was compared."""
    found = versus.bootstrap
    return (
        row.row.name,
        NOTHING if row.paper_difference is None else f"{row.paper_difference:+.2f}",
        f"{found.difference:+.2f}",
        f"{found.low:+.2f} to {found.high:+.2f}",
        p_value(found.p_value),
        p_value(versus.adjusted),
        p_value(versus.seeds.t_p_value),
        agreement(row),
    )


def agreement(row: ScoredRow) -> str:
    """Whether the signs agree, and whether ours can be told from 0."""
    if row.same_sign is None:
        return NOTHING
    sign = "yes" if row.same_sign else "no"
    return sign if row.told_apart else f"{sign}, but ours cannot be told from 0"


def verdict(plan: Plan, scored: Sequence[ScoredRow]) -> str:
    """How many differences have the paper's sign; nothing where none can be compared."""
    compared = [row for row in scored if row.same_sign is not None]
    if not compared:
        return NOTHING
    same = [bool(row.told_apart) for row in compared if row.same_sign]
    other = [bool(row.told_apart) for row in compared if not row.same_sign]
    return (
        f"{len(same)} of {len(compared)} differences from {plan.target.baseline} have the paper's "
        f"sign ({sum(same)} with an interval that leaves out 0), {len(other)} the other "
        f"({sum(other)})."
    )


def class_table(scored: Sequence[ScoredRow]) -> Table:
    """F1 of every label, mean over seeds, the paper's in brackets."""
    labels = next(tuple(row.ours.per_class) for row in scored if row.ours is not None)
    rows = []
    for row in (row for row in scored if row.ours is not None or row.paper.per_class):
        cells = [row.row.name]
        for label in labels:
            own = None if row.ours is None else row.ours.per_class[label]
            paper = row.paper.per_class.get(label)
            cells.append(f"{number(own)} ({paper:.2f})" if paper is not None else number(own))
        rows.append(tuple(cell.strip() for cell in cells))
    note = "Percent, mean over seeds; in brackets the paper's."
    return Table(title="F1 by class", note=note, columns=("row", *labels), rows=tuple(rows))


def time_table(measured: Sequence[Measured]) -> Table:
    """On what a row was trained, and for how long."""
    rows: list[tuple[str, ...]] = []
    for item in (item for item in measured if item.row.masked is None):
        seconds = item.seconds
        epochs = sum(len(history) for history in item.history) / len(item.history)
        rows.append(
            (
                item.row.name,
                item.run.directory.name,
                "; ".join(dict.fromkeys(machine_line(machine) for machine in item.machines)),
                f"{epochs:.1f}",
                f"{sum(seconds) / len(seconds):.0f}",
                f"{sum(seconds) / 60:.1f}",
            )
        )
    minutes = {item.run.directory: sum(item.seconds) / 60 for item in measured}
    rows.append(("all", *[NOTHING] * 4, f"{sum(minutes.values()):.1f}"))
    return Table(
        title="Hardware and time",
        note="Time in the epochs alone, as it was when a seed was trained; the folder is in runs/.",
        columns=("row", "run", "machine", "epochs", "seconds a seed", "minutes in all"),
        rows=tuple(rows),
    )


def machine_line(machine: object) -> str:
    """A machine in few words."""
    if not isinstance(machine, dict):
        return "not noted"
    threads = f"{machine['threads']} thread{'s' if machine['threads'] != 1 else ''}"
    return f"{machine['name']}, {threads}, {machine['precision']}"


def number(value: float | None) -> str:
    """A score as a cell holds it."""
    return NOTHING if value is None else f"{value:.2f}"


def p_value(value: float | None) -> str:
    """A p value as a cell holds it."""
    return NOTHING if value is None else f"{value:.4f}"
