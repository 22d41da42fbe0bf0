"""``mmerc reproduce``: a table or figure of a paper, from corpus to report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from mmerc.cli.output import (
    AcceleratorOption,
    JsonOption,
    MediaOption,
    QuietOption,
    SettingsOption,
    print_json,
    print_table,
    remark,
    silent,
)
from mmerc.errors import UsageError

if TYPE_CHECKING:
    from mmerc.experiments.report.write import Written

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
    changes: SettingsOption = None,
    report_only: Annotated[
        bool, typer.Option("--report-only", help="Train nothing; report finished runs.")
    ] = False,
    jobs: Annotated[int, typer.Option(min=1, help="Trainings to run in parallel.")] = 1,
    engine: Annotated[
        Literal["local", "ray"], typer.Option(help="This machine or a Ray cluster.")
    ] = "local",
    no_cache: Annotated[
        bool, typer.Option("--no-cache", help="Do not reuse cached trainings.")
    ] = False,
    accelerator: AcceleratorOption = "auto",
    show_list: Annotated[bool, typer.Option("--list", help="List the targets.")] = False,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Reproduce a table or figure of a paper.

    Trains what is missing and writes report.html and report.md.
    """
    from mmerc.executors.executor import Executor
    from mmerc.experiments.plan import Choice
    from mmerc.experiments.reproduce import Request
    from mmerc.experiments.reproduce import reproduce as run
    from mmerc.training.cache import RunCache
    from mmerc.training.corpus_source import CorpusSource
    from mmerc.training.hardware import Hardware

    if show_list:
        print_list(as_json=as_json)
        return
    if target is None or corpus is None:
        raise UsageError("Name a target and its --corpus; --list says what there is.")
    choice = Choice(
        end_to_end=end_to_end, quick=quick, rows=tuple(rows or ()), changes=tuple(changes or ())
    )
    source = CorpusSource.create(corpus, media=media, quick=quick)
    written = run(
        target,
        Request(
            corpus=source, out=out, choice=choice, seeds=seeds,
            executor=Executor(jobs=jobs, engine=engine), hardware=Hardware(accelerator=accelerator),
            cache=RunCache.default(), use_cache=not no_cache, train=not report_only,
            report=silent if quiet else remark,
        ),
    )  # fmt: skip
    show(written, as_json=as_json)


def show(written: dict[str, Written], *, as_json: bool) -> None:
    """What was written, and where."""
    if as_json:
        found = {n: {"folder": str(w.folder), "rows": w.rows} for n, w in written.items()}
        print_json(found)
        return
    for name, made in written.items():
        print(f"{name}:")
        shown = ("paper", "mean", "paper_difference", "difference")
        columns = ["row", *(name for name in shown if name in made.rows[0])]
        print_table(
            [name.replace("_", " ") for name in columns],
            [[cell(name, row.get(name)) for name in columns] for row in made.rows],
        )
        print(f"report in {made.folder / 'report.html'}")


def cell(column: str, value: object) -> str:
    """A cell of the table on the terminal; differences have their sign."""
    if value is None:
        return "-"
    if not isinstance(value, float):
        return str(value)
    return f"{value:+.2f}" if "difference" in column else f"{value:.2f}"


def print_list(*, as_json: bool) -> None:
    """Every target with what it needs."""
    from mmerc.experiments.listing import listed

    found = listed()
    if as_json:
        print_json([item.to_json() for item in found])
        return
    rows = [[item.name, "\n".join(item.lines)] for item in found]
    print_table(["target", "what it shows, what it needs, how long it took"], rows)
