"""``mmerc sample``: draw utterances of a study for labelling."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from mmerc.cli.correction_page import PagePortOption, serve_correction_page
from mmerc.cli.output import JsonOption, print_json, remark

if TYPE_CHECKING:
    from mmerc.studies.label_sample import LabelSample

EXAMPLES = (
    "mmerc sample study --utterances 50 --out sample",
    "mmerc sample study --utterances 50 --out sample --page",
    "mmerc sample study --utterances 100 --strategy stratified --by condition --out sample",
)


def sample(
    study: Annotated[
        Path, typer.Argument(help="Study, analysis or predictions (.jsonl, .csv, .parquet).")
    ],
    out: Annotated[Path, typer.Option(help="New folder for the files to fill in.")],
    utterances: Annotated[int, typer.Option(min=1, help="How many to label.")] = 50,
    strategy: Annotated[
        Literal["random", "stratified", "uncertain"],
        typer.Option(help="Equal chances, by predicted emotion, or least sure first."),
    ] = "random",
    by: Annotated[
        str | None, typer.Option(help="Column to spread the sample over: condition, speaker.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the draw.")] = 0,
    page: Annotated[
        bool, typer.Option("--page", help="Label the sample on a page in the browser.")
    ] = False,
    port: PagePortOption = 8001,
    as_json: JsonOption = False,
) -> None:
    """Draw utterances to label by hand.

    Writes sample.csv and an ELAN file per recording, without the predictions. Fill in either, or
    label on a page with --page (to reopen it: `mmerc correct FOLDER --page`). Read the labels with
    `mmerc agree`, `mmerc shares` and `mmerc adapt`.
    """
    from mmerc.studies.label_sample import write_sample

    drawn = write_sample(study, out, utterances=utterances, strategy=strategy, by=by, seed=seed)
    for line in drawn.remarks:
        remark(f"note: {line}")
    if as_json:
        print_json(
            {
                "utterances": drawn.utterances,
                "total": drawn.total,
                "labels": drawn.labels,
                "files": [str(path) for path in drawn.files],
                "half_widths": drawn.half_widths,
            }
        )
    else:
        _print_sample(drawn)
    if page:
        serve_correction_page(out, port=port)


def _print_sample(drawn: LabelSample) -> None:
    """Print the sample's files and the expected precision."""
    print(f"{drawn.utterances} of {drawn.total} utterances to label in {drawn.files[0]}", end="")
    print(f" or {len(drawn.files) - 1} ELAN files" if len(drawn.files) > 1 else "")
    print(f"labels: {', '.join(drawn.labels)}")
    if drawn.half_widths is not None:
        rare, half = (100 * width for width in drawn.half_widths)
        print(
            f"expected 95 % interval with this many random labels: 50 % +- {half:.1f} points, "
            f"10 % +- {rare:.1f} points"
        )
