"""``mmerc reproduce``: reproduce a table or figure of a paper."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mmerc.cli.output import (
    AcceleratorOption,
    EngineOption,
    JsonOption,
    MediaOption,
    NoCacheOption,
    QuietOption,
    SettingsOption,
    print_json,
    print_table,
    remark,
    silent,
)
from mmerc.errors import UsageError

if TYPE_CHECKING:
    from mmerc.experiments.reproduction.report import WrittenReport

EXAMPLES = (
    "mmerc reproduce --list",
    "mmerc reproduce df-erc-table2 --corpus corpora/composed-text --jobs 2",
    "mmerc reproduce all --corpus corpora/composed-text --quick",
)


def reproduce(
    target: Annotated[str | None, typer.Argument(help="A target from --list, or all.")] = None,
    corpus: Annotated[Path | None, typer.Option(help="Prepared corpus.")] = None,
    media: MediaOption = None,
    out: Annotated[
        Path, typer.Option(help="Folder for runs and reports; run the same command to resume.")
    ] = Path("reproduced"),
    seeds: Annotated[int | None, typer.Option(min=1, help="Seeds per row (default: 5).")] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Train one epoch on a few conversations, as a trial.")
    ] = False,
    end_to_end: Annotated[
        bool, typer.Option("--end-to-end", help="Train the text encoder too.")
    ] = False,
    rows: Annotated[
        list[str] | None, typer.Option("--row", metavar="NAME", help="Only this row (repeatable).")
    ] = None,
    targets: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Read targets from this YAML file.")
    ] = None,
    changes: SettingsOption = None,
    report_only: Annotated[
        bool, typer.Option("--report-only", help="Train nothing; report finished runs.")
    ] = False,
    jobs: Annotated[int, typer.Option(min=1, help="Training runs in parallel.")] = 1,
    engine: EngineOption = "local",
    no_cache: NoCacheOption = False,
    accelerator: AcceleratorOption = "auto",
    show_list: Annotated[bool, typer.Option("--list", help="List the targets.")] = False,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Reproduce a table or figure of a paper.

    Trains what is missing and writes report.html and report.md.
    """
    from mmerc.executors.executor import Executor
    from mmerc.experiments.reproduction.plan import PlanOptions
    from mmerc.experiments.reproduction.reproduce import ReproductionSettings
    from mmerc.experiments.reproduction.reproduce import reproduce as run
    from mmerc.training.cache import RunCache
    from mmerc.training.corpus_source import CorpusSource
    from mmerc.training.hardware import Hardware

    if show_list:
        _print_list(targets, as_json=as_json)
        return
    if target is None or corpus is None:
        raise UsageError("Name a target and its --corpus; --list shows all targets.")
    options = PlanOptions(
        end_to_end=end_to_end, quick=quick, rows=tuple(rows or ()), changes=tuple(changes or ()),
        seeds=seeds, targets=targets,
    )  # fmt: skip
    reports = run(
        target,
        ReproductionSettings(
            corpus=CorpusSource.create(corpus, media=media, quick=quick), out=out,
            options=options, executor=Executor(jobs=jobs, engine=engine),
            hardware=Hardware(accelerator=accelerator), cache=RunCache.default(),
            use_cache=not no_cache, train=not report_only, report=silent if quiet else remark,
        ),
    )  # fmt: skip
    _print_reports(reports, as_json=as_json)


def _print_reports(reports: dict[str, WrittenReport], *, as_json: bool) -> None:
    """Print every target's table and the path of its report."""
    if as_json:
        print_json({n: {"folder": str(r.folder), "rows": r.rows} for n, r in reports.items()})
        return
    for name, report in reports.items():
        print(f"{name}:")
        optional = ("paper", "mean", "paper_difference", "difference")
        columns = ["row", *(column for column in optional if column in report.rows[0])]
        print_table(
            [column.replace("_", " ") for column in columns],
            [[_cell(column, row.get(column)) for column in columns] for row in report.rows],
        )
        print(f"report in {report.folder / 'report.html'}")


def _cell(column: str, value: object) -> str:
    """Format a cell of the table; differences have a sign."""
    if value is None:
        return "-"
    if not isinstance(value, float):
        return str(value)
    return f"{value:+.2f}" if "difference" in column else f"{value:.2f}"


def _print_list(targets: Path | None, *, as_json: bool) -> None:
    """Print every target with its requirements."""
    from mmerc.experiments.reproduction.requirements import list_requirements

    requirements = list_requirements(targets)
    if as_json:
        print_json([item.to_json() for item in requirements])
        return
    rows = [[item.name, "\n".join(item.lines)] for item in requirements]
    print_table(["target", "what it shows, what it needs, how long it took"], rows)
