"""From finished runs to a target's report."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mmerc.experiments.plots.style import house_style
from mmerc.experiments.plots.tables import score_records
from mmerc.experiments.plots.training import confusion_matrices, learning_curves
from mmerc.experiments.reports.content import ReportContent, write_report
from mmerc.experiments.reproduction.measure import measure
from mmerc.experiments.reproduction.plan import Plan
from mmerc.experiments.reproduction.remarks import report_remarks
from mmerc.experiments.reproduction.report_tables import (
    class_table,
    difference_table,
    score_table,
    sign_summary,
    time_table,
)
from mmerc.experiments.reproduction.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenReport:
    """The folder of a target's report, and its table as data."""

    folder: Path
    rows: list[dict[str, object]]


def report_target(plan: Plan, workspace: Workspace) -> WrittenReport:
    """Write report.html, report.md and figures/ of a target from finished runs; nothing trains.

    InputError where a run is missing, damaged or of something else.
    """
    version = workspace.check()
    results = measure(plan, workspace)
    tables = (
        score_table(results), difference_table(results), class_table(results), time_table(results)
    )  # fmt: skip
    with house_style():
        content = ReportContent(
            title=f"{plan.name}: {plan.target.title}",
            lines=(plan.target.shows, _facts(plan, workspace), sign_summary(results)),
            remarks=tuple(
                report_remarks(plan, workspace.corpus, quick=workspace.quick, version=version)
            ),
            tables=tuple(table for table in tables if table is not None),
            plots=tuple(draw(results) for draw in plan.plots),
            appendix=(learning_curves(results), confusion_matrices(results)),
        )
    folder = workspace.root / plan.folder
    write_report(content, folder)
    return WrittenReport(folder=folder, rows=score_records(results))


def _facts(plan: Plan, workspace: Workspace) -> str:
    """Paper, corpus, size of the test split, and recipe."""
    counts = workspace.corpus.counts()["test"]
    mode = ", end to end" * plan.baseline.model.trains_text_encoder
    return (
        f"{plan.paper.paper}, on {workspace.corpus.name}: {counts['utterances']} test utterances "
        f"in {counts['conversations']} conversations; recipe {plan.baseline.name}{mode}."
    )
