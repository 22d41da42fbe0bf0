"""``mmerc live``: show the emotions of an ongoing conversation."""

from __future__ import annotations

import json
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, cast

import typer

from mmerc.cli.analysis_options import (
    CommercialOption,
    FaceOption,
    LanguageOption,
    WhisperOption,
)
from mmerc.cli.output import QuietOption, printable, remark, silent
from mmerc.errors import InputError, MmercError, StoppedError, UsageError

if TYPE_CHECKING:
    from mmerc.inference.streaming.events import LiveEvent, LiveUtterance
    from mmerc.inference.streaming.file_player import Moment
    from mmerc.inference.streaming.session import LiveSession

EXAMPLES = (
    "mmerc live --microphone",
    "mmerc live talk.mp4 --speed max --out analysis",
    "arecord -q -f S16_LE -r 16000 -t raw | mmerc live - --format jsonl",
)
_PIECE = 3200  # bytes of stdin: 0.1 s


def live(
    source: Annotated[
        str | None,
        typer.Argument(
            metavar="[FILE|-]",
            help="Film or sound file, or - for raw sound on stdin (16 kHz, mono, s16le).",
        ),
    ] = None,
    microphone: Annotated[
        bool, typer.Option("--microphone", help="Listen to the default microphone.")
    ] = False,
    speed: Annotated[
        Literal["1", "max"], typer.Option(help="Play a file in real time, or as fast as possible.")
    ] = "1",
    form: Annotated[
        Literal["text", "jsonl"],
        typer.Option("--format", help="Utterances as text, or all events as JSON Lines."),
    ] = "text",
    out: Annotated[
        Path | None, typer.Option(help="Folder for the analysis, written at the end.")
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace existing result files.")
    ] = False,
    model: Annotated[
        str | None,
        typer.Option(help="Run, model folder or Hub repository (default: mmerc-mini-live)."),
    ] = None,
    face: FaceOption = "speaking",
    whisper: WhisperOption = "tiny.en",
    language: LanguageOption = None,
    commercial_only: CommercialOption = False,
    quiet: QuietOption = False,
) -> None:
    """Show emotions while people speak.

    Each utterance is printed as soon as it ends, predicted from past context only; if later
    words change it, it is printed again. Ctrl-C ends it; the analysis so far is still written.
    """
    from mmerc.inference.results import check_results, link_recording, write_results
    from mmerc.inference.streaming.file_player import check_sound
    from mmerc.inference.streaming.live_components import LiveComponents
    from mmerc.inference.streaming.microphone import import_sounddevice
    from mmerc.inference.streaming.session import LiveSession

    if microphone == (source is not None):
        raise UsageError("Give a FILE, - for stdin, or --microphone: exactly one of them.")
    recording = Path(source) if source not in {None, "-"} else Path("live")
    if source not in {None, "-"}:
        check_sound(recording)
    if microphone:
        import_sounddevice()
    if out is not None:
        check_results(recording, out, overwrite=overwrite)
    say = silent if quiet else remark
    say("Loading the model ...")
    session = LiveSession(
        LiveComponents.load(
            model, commercial_only=commercial_only, face=face, whisper=whisper, language=language
        )
    )
    say("Listening; Ctrl-C ends it.")
    moments = _open_source(
        source, real_time=speed == "1", rate=session.settings.pictures_per_second
    )
    stopped = _follow(session, moments, form=form)
    for event in session.finish():
        _print_event(event, form=form)
    if out is not None:
        analysis = session.analysis(recording.name)
        if not analysis.predictions:
            raise MmercError("No speech was heard; nothing is written.")
        paths = write_results(analysis, out, overwrite=overwrite)
        link_recording(recording, out)
        for path in paths:
            say(printable(path))
    elif not session.utterances():
        say("No speech was heard.")
    if stopped and not microphone:
        raise StoppedError("interrupted.")


def _open_source(source: str | None, *, real_time: bool, rate: float) -> Iterator[Moment]:
    """Open sound (and pictures) from a file, stdin or the microphone."""
    import numpy as np

    from mmerc.inference.streaming.file_player import Moment, play_file
    from mmerc.inference.streaming.live_stream import read_samples
    from mmerc.inference.streaming.microphone import record_microphone
    from mmerc.media.file_signatures import recognise_format

    if source is None:
        for samples in record_microphone():
            yield Moment(time=0.0, sound=samples)
    elif source == "-":
        rest, stdin = b"", cast(BufferedReader, sys.stdin.buffer)
        data = stdin.read1(_PIECE)
        if recognise_format(data) is not None:  # its header would be heard as noise
            raise InputError(
                "stdin",
                "a recording, not raw sound",
                "give the file, or pipe `ffmpeg -i FILE -f s16le -ac 1 -ar 16000 -`",
            )
        while data:
            samples, rest = read_samples(data, rest)
            yield Moment(time=0.0, sound=np.asarray(samples))
            data = stdin.read1(_PIECE)
    else:
        began = time.monotonic()
        for moment in play_file(source, pictures_per_second=rate):
            if real_time:
                time.sleep(max(0.0, began + moment.time - time.monotonic()))
            yield moment


def _follow(session: LiveSession, moments: Iterator[Moment], *, form: str) -> bool:
    """Process moments and print events; return True if Ctrl-C ended it."""
    with _interruption() as interruption:
        try:
            for moment in moments:
                with interruption.postponed():
                    for seconds, picture in moment.pictures:
                        session.feed_picture(seconds, picture)
                    for event in session.feed_sound(moment.sound):
                        _print_event(event, form=form)
        except KeyboardInterrupt:
            return True
    return False


class _Interruption:
    """Ctrl-C handling: stop waiting for sound at once, but finish a running analysis."""

    def __init__(self) -> None:
        self.pending = self.busy = False

    def __call__(self, *_: object) -> None:
        if not self.busy or self.pending:
            raise KeyboardInterrupt
        self.pending = True

    @contextmanager
    def postponed(self) -> Iterator[None]:
        self.busy = True
        yield
        self.busy = False
        if self.pending:
            raise KeyboardInterrupt


@contextmanager
def _interruption() -> Iterator[_Interruption]:
    """Handle Ctrl-C in this block, in the main thread of a process."""
    interruption = _Interruption()
    if threading.current_thread() is not threading.main_thread():
        yield interruption
        return
    before = signal.signal(signal.SIGINT, interruption)
    try:
        yield interruption
    finally:
        signal.signal(signal.SIGINT, before)


def _print_event(event: LiveEvent, *, form: str) -> None:
    from mmerc.inference.streaming.events import Correction, LiveUtterance, event_as_dict

    if form == "jsonl":
        print(json.dumps(event_as_dict(event), ensure_ascii=False), flush=True)
        return
    if isinstance(event, Correction):
        if event.utterance is None:
            print(f"[{event.index}] withdrawn: its words belong to another utterance", flush=True)
        else:
            print(f"{_format_utterance(event.utterance)}  (corrected)", flush=True)
    elif isinstance(event, LiveUtterance):
        print(_format_utterance(event), flush=True)


def _format_utterance(item: LiveUtterance) -> str:
    minutes, seconds = divmod(item.start, 60)
    share = item.probabilities[item.emotion]
    doubt = "" if item.doubtful_label is None else " | doubtful"
    emotion = f"{item.emotion} {share:.0%}{doubt}"
    text = item.text or "(no words)"
    return f"[{item.index}] {minutes:.0f}:{seconds:04.1f}  {item.speaker}  {emotion:<13} {text}"
