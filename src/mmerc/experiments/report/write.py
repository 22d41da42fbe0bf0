"""From stored runs to a target's report."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mmerc.experiments.drawing import Material, own_figures, training_figures
from mmerc.experiments.figures.tables import score_data
from mmerc.experiments.measured import read_rows
from mmerc.experiments.plan import Plan
from mmerc.experiments.report.content import (
    Report,
    class_table,
    difference_table,
    score_table,
    time_table,
    verdict,
)
from mmerc.experiments.report.markdown import as_markdown
from mmerc.experiments.report.page import as_page
from mmerc.experiments.report.remarks import remarks
from mmerc.experiments.scores import score_rows
from mmerc.experiments.workspace import Workspace
from mmerc.files import write_text


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A target's folder, and its table as data."""

    folder: Path
    rows: list[dict[str, object]]


def write_report(plan: Plan, workspace: Workspace, *, seeds: int) -> Written:
    """Write report.html, report.md and figures/ of a target from finished runs; nothing trains.

    InputError where a run is missing or is not what it should be.
    """
    version = workspace.check()
    measured = read_rows(plan, workspace, seeds=seeds)
    scored = score_rows(plan, measured)
    given = Material(plan=plan, measured=measured, scored=scored)
    tables = (score_table(plan, scored), difference_table(plan, scored), class_table(scored))
    report = Report(
        title=f"{plan.name}: {plan.target.title}",
        lines=(plan.target.shows, facts(plan, workspace), verdict(plan, scored)),
        remarks=tuple(remarks(plan, workspace, measured, version=version)),
        tables=(*(table for table in tables if table is not None), time_table(measured)),
        figures=tuple(own_figures(given)),
        annex=tuple(training_figures(given)),
    )
    folder = write_pages(report, workspace.root / plan.folder)
    return Written(folder=folder, rows=score_data(plan, scored))


def write_pages(report: Report, folder: Path) -> Path:
    """Figures first: the page holds them."""
    for drawn in (*report.figures, *report.annex):
        drawn.save(folder / "figures")
    write_text(folder / "report.md", as_markdown(report))
    write_text(folder / "report.html", as_page(report, folder / "figures"))
    return folder


def facts(plan: Plan, workspace: Workspace) -> str:
    """What was measured on what."""
    counts = workspace.corpus.counts()["test"]
    mode = "end to end" if plan.recipes[plan.target.baseline].model.trains_text_encoder else ""
    return (
        f"{plan.paper.paper}, on {workspace.corpus.name}: {counts['utterances']} test utterances "
        f"in {counts['conversations']} conversations; recipe "
        f"{plan.recipes[plan.target.baseline].name}{', ' * bool(mode)}{mode}."
    )
