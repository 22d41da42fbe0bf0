"""``mmerc watch``: analyse new recordings in a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mmerc.cli.analysis_options import (
    DiarizerOption,
    FaceOption,
    LanguageOption,
    ModelOption,
    SpeakersOption,
    WhisperOption,
    WorkersOption,
)
from mmerc.cli.output import JsonOption, QuietOption, remark
from mmerc.cli.study_run import NO_FOLDER, StudyRun, chosen_settings
from mmerc.errors import InputError, UsageError

EXAMPLES = ("mmerc watch interviews --out study",)


def watch(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(help="Folder in which recordings appear.")],
    out: Annotated[
        Path | None, typer.Option(help="Folder for the results, as for a study (required).")
    ] = None,
    interval: Annotated[
        float, typer.Option(min=0.1, max=3600, help="Seconds between two checks.")
    ] = 5.0,
    until_idle: Annotated[
        float | None,
        typer.Option(min=0, help="Stop after this many seconds without changes."),
    ] = None,
    model: ModelOption = None,
    speakers: SpeakersOption = None,
    diarizer: DiarizerOption = "mmerc",
    face: FaceOption = "speaking",
    whisper: WhisperOption = "tiny.en",
    language: LanguageOption = None,
    workers: WorkersOption = None,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Analyse recordings as they appear.

    A recording is analysed when its files have not changed between two checks. Then the tables are
    written again, as by `mmerc analyze FOLDER --out OUT`. Press Ctrl-C to stop.
    """
    from mmerc.studies.watching import FolderWatch

    if out is None:
        raise UsageError(NO_FOLDER)
    if not folder.is_dir():
        raise InputError(folder, "no such folder", "check the path")
    settings = {
        "model": model, "speakers": speakers, "diarizer": diarizer, "face": face,
        "whisper": whisper, "language": language,
    }  # fmt: skip
    run = StudyRun(
        out=out,
        settings=chosen_settings(context, settings),
        workers=workers,
        quiet=quiet,
        as_json=as_json,
    )
    watching = FolderWatch(
        plan=lambda: run.plan([folder], add_unlisted=True), analyse=run.analyse, interval=interval
    )
    if not quiet:
        remark(f"watching {folder}; press Ctrl-C to stop")
    result = watching.run(until_idle=until_idle)
    if result is None:
        remark("note: nothing was analysed.")
        return
    run.finish(result)
