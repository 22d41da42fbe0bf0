"""A live session: sound, pictures and words in, events out."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmerc.errors import UsageError
from mmerc.free_memory import return_free_memory
from mmerc.inference.analysis import Analysis
from mmerc.inference.streaming.events import (
    LiveEvent,
    LiveUtterance,
    SpeechStarted,
    Stats,
    WordsHeard,
    describe_words,
)
from mmerc.inference.streaming.live_components import LiveComponents
from mmerc.inference.streaming.live_faces import LiveFaces
from mmerc.inference.streaming.live_results import LiveResults
from mmerc.inference.streaming.live_settings import LiveSettings
from mmerc.inference.streaming.open_speech import OpenSpeech
from mmerc.inference.streaming.sound_memory import SoundMemory
from mmerc.media.resampling import SAMPLE_RATE, Samples
from mmerc.media.sentences import Word
from mmerc.media.transcription import Transcript
from mmerc.media.voice_activity import Span, SpanCutter
from mmerc.media.voice_network import SpeechStream

_REPORT_EVERY = 10.0  # seconds of sound between two performance reports
# Seconds of a pause before a draft is recognised, in case speech has ended. In six minutes of
# conversation, it had ended in 55 of 96 pauses of 0.12 s, and in 55 of 78 of 0.2 s (docs/live.md).
_DRAFT_AFTER = 0.12
_DRAFT_SURELY = 0.25  # seconds of a pause after which drafts may follow each other at once
_DRAFT_EVERY = 1.0  # seconds of speech between two drafts
_LEAD = 0.25  # seconds that pictures may precede their speech
_PIECE = SAMPLE_RATE  # samples processed at a time
_LONGEST_SIDE = 4096  # pixels


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveState:
    """State of a session: ``seconds`` of sound received, whether somebody is ``speaking``."""

    seconds: float
    speaking: bool
    utterances: int
    speakers: tuple[str, ...]
    dropped_frames: int
    finished: bool


class LiveSession:
    """Analyses an ongoing conversation.

    Sound is the clock: times of pictures and words are in seconds since its first sample. Calls
    block while computing and return the resulting events. They must not overlap, so threads that
    share a session take turns. UsageError for sound or pictures in another format, and for any
    call after ``finish``.
    """

    def __init__(self, components: LiveComponents, settings: LiveSettings | None = None) -> None:
        self.components = components
        self.settings = LiveSettings() if settings is None else settings
        self._sound = SoundMemory()
        self._stream = SpeechStream(components.speech_network)
        self._cutter = SpanCutter()
        extractor, source = components.faces, components.face_source
        self._faces = None
        if extractor is not None and source is not None:
            rate = self.settings.pictures_per_second
            self._faces = LiveFaces(extractor, source, rate=rate)
        self._results = LiveResults(components.model, lock=components.lock)
        self._speech = OpenSpeech(components, self._sound, self._faces, self._results)
        self._drafted = self._last_end = -1.0  # end of the last draft, end of the last span
        self._speaking = self._finished = False
        self._busy = self._reported_busy = self._reported_seconds = 0.0

    @property
    def seconds(self) -> float:
        """Seconds of sound received."""
        return self._sound.seconds

    def feed_sound(self, samples: Samples) -> list[LiveEvent]:
        """Process the next piece of sound.

        Shape: float32 [any], mono, 16 kHz, between -1 and 1.
        """
        self._check_open()
        _check_samples(samples)
        began = time.perf_counter()
        events: list[LiveEvent] = []
        for first in range(0, len(samples), _PIECE):
            events += self._hear(samples[first : first + _PIECE])
        if self.settings.transcribe:
            events += self._draft()
        self._busy += time.perf_counter() - began
        if self.seconds - self._reported_seconds >= _REPORT_EVERY:
            events.append(self._report())
        return events

    def feed_picture(self, time_seconds: float, rgb: NDArray[np.uint8]) -> None:
        """Add a picture of the speakers; pictures must be in order of time.

        Pictures should be at most a second ahead of the sound, and not late: pictures of an already
        reported utterance are ignored. Shape: uint8 [H, W, 3], RGB.
        """
        self._check_open()
        _check_picture(time_seconds, rgb)
        if self._faces is None:
            return
        began = time.perf_counter()
        self._faces.see(time_seconds, rgb)
        self._detect_faces()
        self._busy += time.perf_counter() - began

    def feed_words(self, words: Sequence[Word]) -> list[LiveEvent]:
        """Add words from an external recogniser, in order of time.

        UsageError unless transcription is off in the settings. An utterance is reported when the
        next one begins, or after a second without words.
        """
        self._check_open()
        if self.settings.transcribe:
            raise UsageError("The session recognises words itself; set transcribe to false.")
        began = time.perf_counter()
        events = self._speech.add_words(words)
        self._busy += time.perf_counter() - began
        return events

    def finish(self) -> list[LiveEvent]:
        """End the conversation; no more input is accepted."""
        self._check_open()
        began = time.perf_counter()
        spans = list(self._cutter.finish())
        events = self._note_speech(spans)
        self._detect_faces(spans)
        for span in spans if self.settings.transcribe else ():
            events += self._end_speech(span)
        events += self._speech.report_words(everything=True)
        self._speaking, self._finished = False, True
        self._busy += time.perf_counter() - began
        return [*events, self._report()]

    def state(self) -> LiveState:
        """The current state of the session."""
        return LiveState(
            seconds=self.seconds,
            speaking=self._speaking,
            utterances=len(self._results),
            speakers=self._results.speakers,
            dropped_frames=self._dropped,
            finished=self._finished,
        )

    def utterances(self) -> tuple[LiveUtterance, ...]:
        """All utterances so far, as corrected, in order of time."""
        return self._results.utterances()

    def analysis(self, name: str = "live") -> Analysis:
        """Return the conversation so far as an analysis for ``mmerc.write_results``.

        ``name`` is used in place of a recording's file name.
        """
        remarks = ("Analysed live: each utterance is predicted from the past only.",)
        return self._results.analysis(name, seconds=self.seconds, remarks=remarks)

    @property
    def _dropped(self) -> int:
        return 0 if self._faces is None else self._faces.dropped

    def _check_open(self) -> None:
        if self._finished:
            raise UsageError("The live session has ended; start another one.")

    def _hear(self, piece: Samples) -> list[LiveEvent]:
        """Process at most a second of sound."""
        self._sound.add(piece)
        spans = list(self._cutter.feed(self._stream.feed(piece)))
        events = self._note_speech(spans)
        self._detect_faces(spans)
        if not self.settings.transcribe:
            return [*events, *self._speech.report_words()]
        for span in spans:
            events += self._end_speech(span)
        return events

    def _note_speech(self, spans: Sequence[Span]) -> list[LiveEvent]:
        """Report starts of speech, of completed spans and of the current one."""
        since = self._cutter.open_since
        open_now = since is not None and self._cutter.is_long_enough
        starts = [span.start for span in spans] + (
            [since] if since is not None and open_now else []
        )
        fresh = starts[1:] if self._speaking else starts
        ends = {self._last_end, *(span.end for span in spans)}  # where long speech was only split
        self._last_end = spans[-1].end if spans else self._last_end
        self._speaking = open_now
        return [SpeechStarted(time=start) for start in fresh if start not in ends]

    def _detect_faces(self, ended: Sequence[Span] = ()) -> None:
        """Detect faces in pictures with speech; pictures of a pause wait, as speech may have ended.

        ``ended``: spans of speech that ended in the latest sound.
        """
        if self._faces is None:
            return
        for span in ended:
            self._faces.look(span.start - _LEAD, span.end)
        since = self._cutter.open_since
        if since is not None:
            self._faces.look(since - _LEAD, self._cutter.open_until)

    def _draft(self) -> list[LiveEvent]:
        """Recognise words during a short pause, in case speech has ended."""
        since, until = self._cutter.open_since, self._cutter.open_until
        quiet = self._cutter.quiet
        if since is None or not self._cutter.is_long_enough or quiet < _DRAFT_AFTER:
            return []
        apart = _DRAFT_EVERY if quiet < _DRAFT_SURELY else 0.01
        if self._drafted > since and until - self._drafted < apart:
            return []
        self._drafted = until
        span = Span(since, until)
        transcript, events = self._speech.draft(span)
        words = [_words_event(transcript, final=False)] if self.settings.partial_words else []
        return [*words, *events]

    def _end_speech(self, span: Span) -> list[LiveEvent]:
        """Report words and utterances of a completed span of speech."""
        transcript, events = self._speech.end(span)
        return [_words_event(transcript, final=True), *events]

    def _report(self) -> Stats:
        """Report the session's performance, and return fragmented memory to the system."""
        return_free_memory()
        seconds = self.seconds - self._reported_seconds
        busy = self._busy - self._reported_busy
        self._reported_seconds, self._reported_busy = self.seconds, self._busy
        return Stats(
            seconds=round(self.seconds, 3),
            real_time_factor=round(busy / max(seconds, 1.0), 3),  # ``finish`` has no new sound
            dropped_frames=self._dropped,
        )


def _words_event(transcript: Transcript, *, final: bool) -> WordsHeard:
    return WordsHeard(
        start=transcript.span.start,
        end=transcript.span.end,
        text=transcript.text,
        words=describe_words(transcript.words),
        final=final,
    )


def _check_samples(samples: Samples) -> None:
    if samples.ndim != 1 or samples.dtype != np.float32:
        raise UsageError("Live sound must be float32 samples of one channel at 16 kHz.")
    if not np.isfinite(samples).all():
        raise UsageError("Live sound has samples that are not finite numbers.")


def _check_picture(time_seconds: float, rgb: NDArray[np.uint8]) -> None:
    if not (np.isfinite(time_seconds) and time_seconds >= 0):
        raise UsageError(f"The time of a live picture is {time_seconds}, not seconds of the sound.")
    if rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.size == 0:
        raise UsageError("A live picture must be uint8 pixels [height, width, 3] in RGB.")
    if max(rgb.shape[:2]) > _LONGEST_SIDE:
        raise UsageError(f"A live picture may have up to {_LONGEST_SIDE} pixels on a side.")
