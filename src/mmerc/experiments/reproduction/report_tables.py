"""The tables of a target's report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmerc.evaluation.comparison import Versus
from mmerc.experiments.plots.style import METRIC_NAMES
from mmerc.experiments.reports.content import ReportTable
from mmerc.experiments.reproduction.results import ScoredRow, TargetResults

_EMPTY = ""


def score_table(results: TargetResults) -> ReportTable:
    """Tabulate every row's score next to the paper's."""
    name, corpus = METRIC_NAMES[results.metric], results.reference.compare.upper()
    return ReportTable(
        title="Scores",
        note=(
            "Percent; mean and deviation over seeds, 95 % bootstrap interval over conversations of "
            "the test split, which was opened once per seed, after training."
        ),
        columns=(
            "row", f"{name}, paper ({corpus})", "accuracy, paper", f"{name}, ours", "interval",
            "accuracy, ours", "seeds", "ours minus paper's",
        ),
        rows=tuple(_score_cells(row, results) for row in results.scored),
    )  # fmt: skip


def _score_cells(row: ScoredRow, results: TargetResults) -> tuple[str, ...]:
    paper = getattr(row.paper, results.metric, None)
    quoted = (row.row.name, _number(paper), _number(row.paper.accuracy))
    if row.ours is None:
        return (*quoted, "left out" if row.left_out else "not trained here", *[_EMPTY] * 4)
    ours = row.ours
    return (
        *quoted,
        _number(ours.mean) if ours.seeds == 1 else f"{ours.mean:.2f} ± {ours.std:.2f}",
        _EMPTY if ours.interval is None else "{:.2f} to {:.2f}".format(*ours.interval),
        _number(ours.accuracy),
        str(ours.seeds),
        _EMPTY if paper is None else f"{ours.mean - paper:+.2f}",
    )


def difference_table(results: TargetResults) -> ReportTable | None:
    """Tabulate every row minus the baseline, with tests and the paper's sign."""
    rows = tuple(_difference_cells(r, r.versus) for r in results.scored if r.versus is not None)
    if not rows:
        return None
    return ReportTable(
        title=f"Differences from {results.target.baseline}",
        note=(
            f"Points of {METRIC_NAMES[results.metric]}, below 0 where the row is worse. The "
            "bootstrap is paired over conversations; Holm's correction is over the rows of this "
            "table; t is paired over seeds."
        ),
        columns=(
            "row", "paper's", "ours", "interval", "bootstrap p", "Holm p", "t over seeds p",
            "same sign as the paper",
        ),
        rows=rows,
    )  # fmt: skip


def _difference_cells(row: ScoredRow, versus: Versus) -> tuple[str, ...]:
    bootstrap = versus.bootstrap
    return (
        row.row.name,
        _EMPTY if row.paper_difference is None else f"{row.paper_difference:+.2f}",
        f"{bootstrap.difference:+.2f}",
        f"{bootstrap.low:+.2f} to {bootstrap.high:+.2f}",
        format_p(bootstrap.p_value),
        format_p(versus.adjusted),
        format_p(versus.seeds.t_p_value),
        _agreement(row),
    )


def _agreement(row: ScoredRow) -> str:
    """Describe whether the signs agree and our difference is significant."""
    if row.same_sign is None:
        return _EMPTY
    sign = "yes" if row.same_sign else "no"
    return sign if row.excludes_zero else f"{sign}, but our interval includes 0"


def sign_summary(results: TargetResults) -> str:
    """Count the differences with the paper's sign; empty if none is comparable."""
    compared = [row for row in results.scored if row.same_sign is not None]
    if not compared:
        return _EMPTY
    same = [bool(row.excludes_zero) for row in compared if row.same_sign]
    other = [bool(row.excludes_zero) for row in compared if not row.same_sign]
    return (
        f"{len(same)} of {len(compared)} differences from {results.target.baseline} have the "
        f"paper's sign ({sum(same)} with an interval that excludes 0), {len(other)} the other "
        f"({sum(other)})."
    )


def class_table(results: TargetResults) -> ReportTable:
    """Tabulate the F1 of every label, mean over seeds, with the paper's in brackets."""
    labels = tuple(results.baseline.test[0].labels)
    rows = []
    for row in (row for row in results.scored if row.ours is not None or row.paper.per_class):
        cells = [row.row.name]
        for label in labels:
            score = None if row.ours is None else row.ours.per_class[label]
            paper = row.paper.per_class.get(label)
            cells.append(f"{_number(score)} ({paper:.2f})" if paper is not None else _number(score))
        rows.append(tuple(cell.strip() for cell in cells))
    note = "Percent, mean over seeds; in brackets the paper's."
    return ReportTable(title="F1 by class", note=note, columns=("row", *labels), rows=tuple(rows))


def time_table(results: TargetResults) -> ReportTable:
    """Tabulate machine and training time of every trained row."""
    rows: list[tuple[str, ...]] = []
    for trained in (row for row in results.trained if row.row.masked is None):
        seconds = trained.seconds
        epochs = sum(len(history) for history in trained.history) / len(trained.history)
        rows.append(
            (
                trained.row.name,
                trained.run.directory.name,
                "; ".join(dict.fromkeys(_machine(machine) for machine in trained.machines)),
                f"{epochs:.1f}",
                f"{sum(seconds) / len(seconds):.0f}",
                f"{sum(seconds) / 60:.1f}",
            )
        )
    minutes = {row.run.directory: sum(row.seconds) / 60 for row in results.trained}
    rows.append(("all", *[_EMPTY] * 4, f"{sum(minutes.values()):.1f}"))
    return ReportTable(
        title="Hardware and time",
        note="Time of the epochs alone, measured when a seed was trained; the folder is in runs/.",
        columns=("row", "run", "machine", "epochs", "seconds per seed", "minutes in all"),
        rows=tuple(rows),
    )


def _machine(machine: Mapping[str, Any] | None) -> str:
    if machine is None:
        return "not recorded"
    threads = f"{machine['threads']} thread{'s' if machine['threads'] != 1 else ''}"
    return f"{machine['name']}, {threads}, {machine['precision']}"


def _number(value: float | None) -> str:
    return _EMPTY if value is None else f"{value:.2f}"


def format_p(value: float | None) -> str:
    """Format a p value for a cell."""
    return _EMPTY if value is None else f"{value:.4f}"
