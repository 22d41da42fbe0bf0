"""``mmerc analyze``: a recording in, its timeline of emotions out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from mmerc.cli.output import JsonOption, print_json, remark, silent

if TYPE_CHECKING:
    from mmerc.inference.analysis import Analysis

EXAMPLES = (
    "Examples: mmerc analyze talk.mp4; "
    "mmerc analyze talk.mp4 --subtitles talk.srt --out analysis; mmerc analyze talk.txt"
)


def analyze(
    recording: Annotated[
        Path, typer.Argument(help="Film or sound file, or a transcript of `Speaker: text` (.txt).")
    ],
    subtitles: Annotated[
        Path | None, typer.Option(help="SRT, WebVTT or ASS; without, speech is transcribed.")
    ] = None,
    turns: Annotated[Path | None, typer.Option(help="RTTM: who speaks when.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the results (default: beside the recording).")
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="Run or model folder, or Hub repository (else mmerc-mini).")
    ] = None,
    face: Annotated[
        Literal["speaking", "largest", "all"],
        typer.Option(help="Whose face counts; how often the choice is right is not measured."),
    ] = "speaking",
    whisper: Annotated[
        str, typer.Option(help="Whisper model: tiny.en is at hand, others by name or folder.")
    ] = "tiny.en",
    language: Annotated[
        str | None, typer.Option(help="Language that is spoken, as a code (en).")
    ] = None,
    commercial_only: Annotated[
        bool, typer.Option("--commercial-only", help="Only parts that allow commercial use.")
    ] = False,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Write STEM.html (a page to play with), .jsonl, .csv, .vtt, .eaf and .TextGrid.

    A killed analysis goes on where it stopped when it is started again.
    """
    from mmerc.cli.analysis import Saying, write_analysis
    from mmerc.corpora.transcript import read_transcript
    from mmerc.inference.pipeline import Pipeline

    pipeline = Pipeline.from_pretrained(
        model, commercial_only=commercial_only, face=face, whisper=whisper, language=language,
        turns=turns, workers=workers,
    )  # fmt: skip
    directory = out or recording.parent
    if recording.suffix.lower() == ".txt":
        analysis = pipeline.read(read_transcript(recording), name=recording.name)
    else:
        analysis = pipeline(
            recording,
            subtitles=subtitles,
            turns=turns,
            work=directory / f".{recording.stem}.mmerc",
            report=Saying(silent if quiet else remark),
        )
    paths = write_analysis(analysis, recording, directory)
    if as_json:
        print_json(
            {
                "utterances": len(analysis.predictions),
                "remarks": list(analysis.remarks),
                "files": [str(path) for path in paths],
            }
        )
        return
    tell(analysis, paths)


def tell(analysis: Analysis, paths: list[Path]) -> None:
    """What came out, on the terminal."""
    from collections import Counter

    counted = Counter(item.label for item in analysis.predictions).most_common()
    emotions = ", ".join(f"{label} {count}" for label, count in counted)
    print(f"{len(analysis.predictions)} utterances: {emotions}")
    for line in analysis.remarks:
        print(f"note: {line}")
    for path in paths:
        print(path)
