"""Write a target's report from finished runs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mmerc.data.corpus import PreparedCorpus
from mmerc.experiments.plots.style import house_style
from mmerc.experiments.plots.tables import score_records
from mmerc.experiments.plots.training import confusion_matrices, learning_curves
from mmerc.experiments.reports.content import ReportContent, write_report
from mmerc.experiments.reproduction.plan import Plan
from mmerc.experiments.reproduction.remarks import report_remarks
from mmerc.experiments.reproduction.report_tables import (
    class_table,
    difference_table,
    score_table,
    sign_summary,
    time_table,
)
from mmerc.experiments.reproduction.results import TargetResults


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenReport:
    """The folder of a target's report, and its table as data."""

    folder: Path
    rows: list[dict[str, object]]


def report_target(
    plan: Plan,
    results: TargetResults,
    corpus: PreparedCorpus,
    folder: Path,
    *,
    version: str | None,
) -> WrittenReport:
    """Write report.html, report.md and figures/ of a target into ``folder``.

    ``version``: how the version that trained the runs differs from this one.
    """
    tables = (
        score_table(results), difference_table(results), class_table(results), time_table(results)
    )  # fmt: skip
    with house_style():
        content = ReportContent(
            title=f"{plan.name}: {plan.target.title}",
            lines=(plan.target.shows, _facts(plan, corpus), sign_summary(results)),
            remarks=tuple(report_remarks(plan, corpus, version=version)),
            tables=tuple(table for table in tables if table is not None),
            plots=tuple(draw(results) for draw in plan.plots),
            appendix=(learning_curves(results), confusion_matrices(results)),
        )
    write_report(content, folder)
    return WrittenReport(folder=folder, rows=score_records(results))


def _facts(plan: Plan, corpus: PreparedCorpus) -> str:
    """Describe paper, corpus, size of the test split, and recipe."""
    counts = corpus.counts()["test"]
    mode = ", end to end" * plan.baseline.model.trains_text_encoder
    return (
        f"{plan.paper.paper}, on {corpus.name}: {counts['utterances']} test utterances "
        f"in {counts['conversations']} conversations; recipe {plan.baseline.name}{mode}."
    )
