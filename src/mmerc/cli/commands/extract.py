"""``mmerc extract``: extract audio and face vectors of a corpus or a recording."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mmerc.cli.analysis_options import FaceOption
from mmerc.cli.output import (
    EngineOption,
    JsonOption,
    QuietOption,
    print_json,
    print_table,
    remark,
    silent,
)

if TYPE_CHECKING:
    from mmerc.data.feature_extraction import Extraction

EXAMPLES = (
    "mmerc extract corpora/composed --media data --audio whisper --video denseface-3",
    "mmerc extract talk.mp4 --subtitles talk.srt --audio whisper --out talk.jsonl",
)


def extract(
    source: Annotated[Path, typer.Argument(help="Prepared corpus, or a recording.")],
    media: Annotated[
        Path | None, typer.Option(help="Folder of the raw corpus with its media files.")
    ] = None,
    audio: Annotated[
        str | None,
        typer.Option(
            help="whisper, is10, egemaps, compare or a plug-in's; whisper+is10 joins two."
        ),
    ] = None,
    video: Annotated[
        str | None,
        typer.Option(help="denseface-3, denseface or visextnet (face networks), or a plug-in's."),
    ] = None,
    face: FaceOption = "speaking",
    weights: Annotated[
        Path | None, typer.Option(help="Your own weights for the face network.")
    ] = None,
    subtitles: Annotated[
        Path | None, typer.Option(help="SRT, WebVTT or ASS file with a recording's utterances.")
    ] = None,
    turns: Annotated[
        Path | None, typer.Option(help="RTTM file: who speaks when in a recording.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Manifest to write for a recording (.jsonl).")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Number of processes.")] = 1,
    engine: EngineOption = "local",
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Extract audio and face vectors.

    If interrupted, run the same command again to resume.
    """
    from mmerc.data.feature_extraction import extract as extract_vectors
    from mmerc.data.feature_extraction import manifest_path

    extractions = extract_vectors(
        source,
        audio=audio,
        video=video,
        media=media,
        subtitles=subtitles,
        turns=turns,
        out=out,
        face=face,
        weights=weights,
        workers=workers,
        engine=engine,
        report=silent if quiet else remark,
        remark=remark,
    )
    where = source if source.is_dir() else manifest_path(source, out)
    if as_json:
        print_json({"extracted": [item.to_json() for item in extractions], "out": str(where)})
        return
    _print_extractions(extractions)
    print(f"in {where}")


def _print_extractions(extractions: list[Extraction]) -> None:
    """Print a table with one row per extractor."""
    rows = []
    for item in (extraction.to_json() for extraction in extractions):
        reasons = "; ".join(f"{count} {reason}" for reason, count in item["absent"].items())
        rows.append([item["modality"], item["extractor"], str(item["vectors"]), reasons])
    print_table(["modality", "extractor", "vectors", "absent"], rows)
