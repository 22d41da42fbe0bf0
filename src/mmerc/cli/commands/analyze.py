"""``mmerc analyze``: analyse a recording, or a study of many."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mmerc.cli.analysis_options import (
    CommercialOption,
    DiarizerOption,
    FaceOption,
    LanguageOption,
    ModelOption,
    SpeakersOption,
    WhisperOption,
    WorkersOption,
)
from mmerc.cli.output import (
    EngineOption,
    JsonOption,
    QuietOption,
    print_json,
    printable,
    remark,
    silent,
)
from mmerc.cli.set_options import (
    ClassConditionalOption,
    MostLabelsOption,
    SetsOption,
    build_set_request,
)
from mmerc.cli.study_run import StudyRun, chosen_settings, is_study_input, require_out
from mmerc.errors import UsageError

if TYPE_CHECKING:
    from mmerc.inference.analysis import Analysis

EXAMPLES = (
    "mmerc analyze talk.mp4",
    "mmerc analyze talk.mp4 --subtitles talk.srt --out analysis",
    "mmerc analyze talk.mp4 --speakers 2 --name SPEAKER_01=Mara --name SPEAKER_02=Tom",
    "mmerc analyze talk.mp4 --words talk.json --turns talk.rttm",
    "mmerc analyze talk.txt",
    "mmerc analyze interviews --out study",
)


def analyze(
    context: typer.Context,
    recordings: Annotated[
        list[str],
        typer.Argument(
            help="Video, audio, or transcript with lines of `Speaker: text` (.txt). Several of "
            "them, a folder, a study.yaml or a URL (s3://, gs://, ...) are analysed as a study.",
        ),
    ],
    subtitles: Annotated[
        Path | None,
        typer.Option(
            help="SRT, WebVTT or ASS file, or a film with embedded subtitles (default: transcribe "
            "the speech)."
        ),
    ] = None,
    words: Annotated[
        Path | None,
        typer.Option(
            help="Words with times: CTM, or JSON of WhisperX, whisper.cpp or other Whispers."
        ),
    ] = None,
    turns: Annotated[Path | None, typer.Option(help="RTTM file: who speaks when.")] = None,
    speakers: SpeakersOption = None,
    diarizer: DiarizerOption = "mmerc",
    name: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SPEAKER=NAME", help="Name a speaker: SPEAKER_01=Mara (may be repeated)."
        ),
    ] = None,
    out: Annotated[
        str | None,
        typer.Option(
            metavar="PATH", help="Folder for the results, or its URL (default: the recording's)."
        ),
    ] = None,
    model: ModelOption = None,
    face: FaceOption = "speaking",
    whisper: WhisperOption = "tiny.en",
    language: LanguageOption = None,
    commercial_only: CommercialOption = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace existing result files.")
    ] = False,
    live: Annotated[
        bool, typer.Option("--live", help="Predict each utterance from past context only.")
    ] = False,
    sets: SetsOption = None,
    class_conditional: ClassConditionalOption = False,
    most_labels: MostLabelsOption = 3,
    workers: WorkersOption = None,
    engine: EngineOption = "local",
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Analyse recordings or transcripts.

    Writes STEM.html (an interactive page), .jsonl, .csv, .vtt, .eaf and .TextGrid: all of them, or
    none if the analysis fails. If it is interrupted, run the same command again to resume.

    For several recordings, a folder or a study.yaml, writes OUT/recordings/NAME/ and tables of all
    recordings. Run the same command again to analyse what is new or changed. Exit code 1 means that
    some could not be analysed (OUT/failed.csv).
    """
    settings = {
        "model": model, "commercial_only": commercial_only, "face": face, "whisper": whisper,
        "language": language, "speakers": speakers, "diarizer": diarizer, "live": live,
    }  # fmt: skip
    set_settings = {
        "sets": sets, "class_conditional": class_conditional, "most_labels": most_labels,
    }  # fmt: skip
    request = build_set_request(sets, class_conditional=class_conditional, most_labels=most_labels)
    if is_study_input(recordings, out):
        if subtitles or words or turns or name:
            raise UsageError(
                "In a study, leave --subtitles, --words, --turns and --name out: files are matched "
                "to recordings by name, and study.yaml names the speakers."
            )
        run = StudyRun(
            out=require_out(recordings, out),
            settings=chosen_settings(context, settings | set_settings),
            workers=workers,
            engine=engine,
            again=overwrite,
            quiet=quiet,
            as_json=as_json,
        )
        run.finish(run.analyse(run.plan(recordings)))
        return
    if engine != "local":
        raise UsageError("--engine ray analyses studies: several files, a folder or a study.yaml.")
    _analyze_one(
        Path(recordings[0]), subtitles=subtitles, words=words, turns=turns, name=name,
        out=None if out is None else Path(out),
        settings=settings | {"workers": workers, "sets": request}, overwrite=overwrite,
        quiet=quiet, as_json=as_json,
    )  # fmt: skip


def _analyze_one(
    recording: Path,
    *,
    subtitles: Path | None,
    words: Path | None,
    turns: Path | None,
    name: list[str] | None,
    out: Path | None,
    settings: dict[str, Any],
    overwrite: bool,
    quiet: bool,
    as_json: bool,
) -> None:
    """Analyse one recording and write its files."""
    from mmerc.processes import without_garbage_collection

    with without_garbage_collection():
        from mmerc.cli.analysis_progress import AnalysisProgress
        from mmerc.corpora.transcript import read_transcript
        from mmerc.corpora.transcript_file import TranscriptFile, is_transcript
        from mmerc.free_memory import keep_memory
        from mmerc.inference.pipeline import Pipeline
        from mmerc.inference.pipeline.speaker_names import parse_names
        from mmerc.inference.pipeline.work_folder import discard_work
        from mmerc.inference.results import check_results, link_recording, work_path, write_results

    names = parse_names(name or ())
    directory = out or recording.parent
    written = is_transcript(recording)
    if written and (subtitles or words or turns):
        raise UsageError(
            "A transcript has words and speakers; leave --subtitles, --turns and --words out."
        )
    if subtitles and words:
        raise UsageError("Subtitles have words already; give --subtitles or --words, not both.")
    check_results(recording, directory, inputs=(subtitles, words, turns), overwrite=overwrite)
    conversations = read_transcript(recording) if written else TranscriptFile(())
    pipeline = Pipeline.from_pretrained(settings.pop("model"), turns=turns, **settings)
    work = work_path(recording, directory)
    if written:
        keep_memory()  # reading words allocates the same blocks again and again
        analysis = pipeline.read(conversations, name=recording.name, names=names)
        remarks = (*conversations.remarks, *analysis.remarks)
        analysis = replace(analysis, remarks=remarks)
    else:
        report = AnalysisProgress(silent if quiet else remark)
        analysis = pipeline(
            recording, subtitles=subtitles, words=words, turns=turns, names=names, work=work,
            report=report,
        )  # fmt: skip
    paths = write_results(analysis, directory, overwrite=overwrite)
    if not written:
        link_recording(recording, directory)
        discard_work(work)
    if as_json:
        print_json(
            {
                "utterances": len(analysis.predictions),
                "remarks": list(analysis.remarks),
                "files": [printable(path) for path in paths],
            }
        )
        return
    _print_summary(analysis, paths)


def _print_summary(analysis: Analysis, paths: list[Path]) -> None:
    """Print a summary of the analysis."""
    from collections import Counter

    counted = Counter(item.label for item in analysis.predictions).most_common()
    emotions = ", ".join(f"{label} {count}" for label, count in counted)
    number = len(analysis.predictions)
    print(f"{number} utterance{'' if number == 1 else 's'}: {emotions}")
    for line in analysis.remarks:
        print(f"note: {line}")
    for path in paths:
        print(printable(path))
