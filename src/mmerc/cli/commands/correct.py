"""``mmerc correct``: correct an analysis, on a page or in files."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from mmerc.cli.correction_page import PagePortOption, serve_correction_page
from mmerc.cli.output import JsonOption, print_json, print_table, remark

EXAMPLES = (
    "mmerc correct results/talk talk-corrected.eaf",
    "mmerc correct results/talk ann.eaf ben.csv --rater ann --rater ben --out corrected",
    "mmerc correct results/talk --page",
)


def correct(
    analysis: Annotated[
        Path, typer.Argument(help="Analysis: a file of it, its name or folder; or a sample.")
    ],
    files: Annotated[
        list[Path] | None,
        typer.Argument(help="Corrected .eaf, .TextGrid, .csv or .jsonl files."),
    ] = None,
    raters: Annotated[
        list[str] | None,
        typer.Option("--rater", help="Who corrected a file, one per file (default: its name)."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the corrected results (default: only list).")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace existing files.")] = False,
    page: Annotated[
        bool, typer.Option("--page", help="Correct on a page in the browser instead of in files.")
    ] = False,
    blind: Annotated[
        bool, typer.Option("--blind", help="Open the page with predictions hidden.")
    ] = False,
    port: PagePortOption = 8001,
    predict_again: Annotated[
        bool,
        typer.Option("--predict-again", help="Predict lines again that were changed on the page."),
    ] = False,
    model: Annotated[
        str | None, typer.Option(help="Model of --predict-again (default: the analysis's).")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Correct an analysis, on a page or in files.

    With files, lists changed labels, words, speakers and times; with --out, writes all formats
    again with both the predicted and the corrected label. With --page, serves a correction page to
    this computer only. Corrections are saved immediately next to the analysis, and the corrected
    files in its folder `corrected`. --predict-again predicts lines again whose words, speaker or
    times were changed there.
    """
    if predict_again:
        _predict_again(analysis, files, page=page, model=model)
        return
    if page or not files:
        _serve_page(analysis, files, page=page, blind=blind, port=port)
        return
    from mmerc.inference.correction.correct import correct as read_correction
    from mmerc.inference.correction.correct import write_correction

    correction = read_correction(analysis, files, raters=raters or ())
    for line in correction.remarks:
        remark(f"note: {line}")
    paths = [] if out is None else write_correction(correction, out, overwrite=overwrite)
    if as_json:
        changes = [asdict(change) for change in correction.changes]
        print_json({"changes": changes, "files": [str(path) for path in paths]})
        return
    if not correction.changes:
        print("nothing was changed")
    else:
        rows = [
            [item.id, item.field, _cell(item.before), _cell(item.after), item.rater]
            for item in correction.changes
        ]
        print_table(["utterance", "field", "before", "after", "by"], rows)
    if paths:
        print(f"{len(paths)} files in {out}")


def _serve_page(
    analysis: Path, files: list[Path] | None, *, page: bool, blind: bool, port: int
) -> None:
    """Serve the page of an analysis; UsageError for conflicting options."""
    from mmerc.errors import UsageError

    if files or not page:
        raise UsageError("Name corrected files, or pass --page to correct on a page; not both.")
    serve_correction_page(analysis, port=port, blind=blind)


def _predict_again(
    analysis: Path, files: list[Path] | None, *, page: bool, model: str | None
) -> None:
    """Predict lines edited on the page again, and write the results."""
    from mmerc.errors import UsageError
    from mmerc.inference.correction.edited_results import FOLDER, write_edited_results
    from mmerc.inference.correction.predict_again import predict_again
    from mmerc.inference.pipeline.pipeline import Pipeline
    from mmerc.prediction.set_request import SetRequest
    from mmerc.serving.correction_desk import open_desk

    if files or page:
        raise UsageError("--predict-again is for what the page saved; pass it without files.")
    desk = open_desk(analysis)
    if desk.recording is None and desk.log.analysis.duration is not None:
        name = desk.log.analysis.recording
        raise UsageError(f"{name} is not in {desk.folder}, where --predict-again reads it.")
    level = desk.log.analysis.set_level
    pipeline = Pipeline.from_pretrained(
        model or desk.log.analysis.model, sets=None if level is None else SetRequest(level=level)
    )
    count = predict_again(desk.log, pipeline, recording=desk.recording)
    if count:
        write_edited_results(desk.log, desk.folder / FOLDER, stem=desk.stem)
    lines = "1 line" if count == 1 else f"{count} lines"
    print(f"{lines} predicted again" if count else "no line needs to be predicted again")


def _cell(value: str | float | None) -> str:
    """Format a value for a table."""
    return "" if value is None else str(value)
