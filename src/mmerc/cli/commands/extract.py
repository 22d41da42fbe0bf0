"""``mmerc extract``: vectors from the sound and the film of a corpus or of a recording."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from mmerc.cli.output import JsonOption, print_json, print_table, remark, silent
from mmerc.errors import UsageError

if TYPE_CHECKING:
    from mmerc.conversation import Utterance
    from mmerc.features.extraction import Engine

EXAMPLES = (
    "Examples: mmerc extract corpora/composed --media data --audio is10 --visual denseface; "
    "mmerc extract talk.mp4 --subtitles talk.srt --audio is10 --out talk.jsonl"
)


def extract(
    source: Annotated[Path, typer.Argument(help="Prepared corpus, or a recording.")],
    media: Annotated[
        Path | None, typer.Option(help="Folder of the raw corpus, with its media.")
    ] = None,
    audio: Annotated[
        Literal["is10", "compare"] | None,
        typer.Option(help="openSMILE's 1582 or 6373 functionals."),
    ] = None,
    visual: Annotated[
        Literal["denseface", "visextnet"] | None, typer.Option(help="Face network.")
    ] = None,
    face: Annotated[
        Literal["speaking", "largest", "all"],
        typer.Option(help="Whose face counts; how often the choice is right is not measured."),
    ] = "speaking",
    weights: Annotated[
        Path | None, typer.Option(help="Weights of the face network, where it needs yours.")
    ] = None,
    subtitles: Annotated[
        Path | None, typer.Option(help="SRT, WebVTT or ASS: the utterances of a recording.")
    ] = None,
    turns: Annotated[
        Path | None, typer.Option(help="RTTM: who speaks when in a recording.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Manifest to write for a recording (.jsonl).")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes.")] = 1,
    engine: Annotated[
        Literal["local", "ray"], typer.Option(help="This machine, or a Ray cluster.")
    ] = "local",
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Take vectors from sound and film; a killed run goes on where it stopped."""
    from mmerc.cli.extraction import extract_corpus, extract_recording
    from mmerc.features.registry import NamedExtractor

    names = [name for name in (audio, visual) if name is not None]
    if not names:
        raise UsageError("Nothing to extract: name --audio, --visual or both.")
    extractors = [NamedExtractor(name, face=face, weights=weights) for name in names]
    report = silent if quiet else remark
    if source.is_dir():
        if media is None:
            raise UsageError("A corpus needs --media: the raw corpus's folder.")
        found = extract_corpus(
            source, media, extractors, engine=chosen_engine(engine, workers), report=report
        )
        where = source
    else:
        where = out or source.with_suffix(".jsonl")
        found = extract_recording(
            source, utterances_of(source, subtitles, turns), extractors, where,
            engine=chosen_engine(engine, workers), report=report,
        )  # fmt: skip
    if as_json:
        print_json({"extracted": [item.to_json() for item in found], "out": str(where)})
        return
    rows = []
    for item in (e.to_json() for e in found):
        reasons = "; ".join(f"{count} {reason}" for reason, count in item["absent"].items())
        rows.append([item["modality"], item["extractor"], str(item["vectors"]), reasons])
    print_table(["modality", "extractor", "vectors", "absent"], rows)
    print(f"in {where}")


def chosen_engine(name: str, workers: int) -> Engine:
    """Where the work is done."""
    from mmerc.features.extraction import Workers

    if name == "ray":
        from mmerc.features.cluster import RayEngine

        return RayEngine(workers)
    return Workers(workers)


def utterances_of(
    recording: Path, subtitles: Path | None, turns: Path | None
) -> tuple[Utterance, ...]:
    """The utterances of a recording."""
    from mmerc.media.speaker_turns import (
        SpeakerTurns,
        assign_speakers,
        read_rttm,
        utterances_of_turns,
    )
    from mmerc.media.subtitles import Subtitles, read_subtitles

    if not recording.is_file():
        raise UsageError(f"{recording} is neither a prepared corpus nor a recording.")
    if subtitles is None and turns is None:
        raise UsageError("A recording needs --subtitles or --turns: where its utterances lie.")
    spoken = read_rttm(turns) if turns is not None else SpeakerTurns(turns=())
    cues = Subtitles(utterances=()) if subtitles is None else read_subtitles(subtitles)
    for line in (*cues.remarks, *spoken.remarks):
        remark(line)
    if subtitles is None:
        return utterances_of_turns(spoken.turns)
    return assign_speakers(cues.utterances, spoken.turns)
