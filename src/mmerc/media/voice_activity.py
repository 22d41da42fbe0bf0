"""Voice activity detection: spans of speech, split at pauses.

The sound is processed a minute at a time; only one number per 32 ms is kept.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mmerc.errors import UsageError
from mmerc.media.channel_mix import ChannelMix
from mmerc.media.container import sound_stream
from mmerc.media.resampling import Samples
from mmerc.media.segment import MediaError
from mmerc.media.sound import STAMPED, Timeline, pieces
from mmerc.media.stream_frames import opened_at
from mmerc.media.voice_network import (
    FRAME,
    FRAME_SECONDS,
    Probabilities,
    speech_probabilities,
)

# Silero's own values: speech starts above the first and may end below the second.
_SPEECH, _STILL_SPEECH = 0.5, 0.35
_MARGIN = 0.05  # seconds kept around speech, because soft starts of words count as silence
_DIP = 8  # frames; speech without a pause is split at this window's lowest probability


@dataclass(frozen=True, slots=True)
class Span:
    """Part of a recording, from ``start`` to ``end`` in seconds."""

    start: float
    end: float


@dataclass(frozen=True, slots=True, kw_only=True)
class UtteranceLimits:
    """Limits for splitting speech into utterances, in seconds.

    Silence of ``pause`` separates utterances. Speech shorter than ``shortest`` is dropped. Speech
    longer than ``longest`` is split in its second half, at the lowest probability.
    """

    pause: float = 0.5
    shortest: float = 0.25
    longest: float = 20.0

    def __post_init__(self) -> None:
        if not (self.pause > 0 and self.shortest > 0 and self.longest >= 2 * self.shortest + 1):
            raise UsageError(
                f"Utterances of {self.shortest} to {self.longest} s, separated by {self.pause} s, "
                "are impossible; choose times above zero, and a longest utterance at least a "
                "second longer than twice the shortest."
            )


_DEFAULT_LIMITS = UtteranceLimits()


def find_speech(path: Path, *, limits: UtteranceLimits = _DEFAULT_LIMITS) -> tuple[Span, ...]:
    """Find speech spans in a recording, sorted and without overlap; empty without speech.

    MediaError if the sound is missing, damaged, truncated or shorter than 32 ms; MmercError if the
    network's weights are not installed, InputError if they differ from the published ones.
    """
    return _speech_spans(read_pieces(path), limits=limits)


def read_pieces(path: Path, *, mix: ChannelMix | None = None) -> Iterator[Samples]:
    """Yield the whole sound of a file like ``read_sound``, but in short pieces.

    ``mix``: how channels are mixed; None: as ``choose_mix`` says.
    """
    timeline = Timeline(path, first=0, stop=sys.maxsize)
    with opened_at(path, sound_stream, time=0.0) as (stream, timed_frames):
        gaps = stream.container.format.name in STAMPED
        for index, samples in pieces(path, timed_frames, start=0.0, gaps=gaps, mix=mix):
            timeline.place(index, samples)
            yield from timeline.parts
            timeline.parts.clear()
    if timeline.filled < FRAME:
        raise MediaError(path, "too short for speech", "give a recording of 32 ms or more")


def _speech_spans(
    sound: Iterable[Samples], *, limits: UtteranceLimits = _DEFAULT_LIMITS
) -> tuple[Span, ...]:
    """Find speech in a stream of samples at 16 kHz, in pieces of any length (``find_speech``)."""
    cutter = SpanCutter(limits)
    spans = [span for part in speech_probabilities(sound) for span in cutter.feed(part)]
    return (*spans, *cutter.finish())


class SpanCutter:
    """Splits a stream of probabilities into spans, each reported when its end is certain.

    ``open_since``: start of the current speech (None: silence). ``quiet``: length of its current
    pause. ``heard``: processed sound. All are in seconds.
    """

    def __init__(self, limits: UtteranceLimits = _DEFAULT_LIMITS) -> None:
        self.limits = limits
        self._pause = math.ceil(limits.pause / FRAME_SECONDS)
        self._shortest = math.ceil(limits.shortest / FRAME_SECONDS)
        self._longest = math.floor((limits.longest - 2 * _MARGIN) / FRAME_SECONDS)
        self._count = 0  # number of processed frames
        self._open: list[float] = []  # probabilities since the start of speech
        self._quiet = 0  # consecutive frames without speech
        self._end = 0  # frame after the last span

    @property
    def heard(self) -> float:
        return self._count * FRAME_SECONDS

    @property
    def quiet(self) -> float:
        return self._quiet * FRAME_SECONDS

    @property
    def open_since(self) -> float | None:
        return self._start(self._count - len(self._open)) if self._open else None

    @property
    def open_until(self) -> float:
        """End of the current speech in seconds, if it does not continue."""
        end = (self._count - self._quiet) * FRAME_SECONDS
        return round(min(end + _MARGIN, self.heard), 3)

    @property
    def is_long_enough(self) -> bool:
        """Whether the current speech would be a span if it ended now."""
        return len(self._open) - self._quiet >= self._shortest

    def feed(self, probabilities: Probabilities) -> Iterator[Span]:
        """Process frames; yield completed spans. Shape: [frames]."""
        for probability in probabilities.tolist():
            self._count += 1
            if not self._open and probability < _SPEECH:
                continue
            self._open.append(probability)
            quiet = probability < (_SPEECH if self._quiet else _STILL_SPEECH)
            self._quiet = self._quiet + 1 if quiet else 0
            if self._quiet == self._pause:
                yield from self._close(room=self.quiet / 2)
            elif self._quiet == 0 and len(self._open) > self._longest:
                yield from self._cut()

    def finish(self) -> Iterator[Span]:
        """Yield the last span, if any, at the end of the sound."""
        if self._open:
            yield from self._close(room=self.quiet)

    def _close(self, *, room: float) -> Iterator[Span]:
        """End the current speech, extended by at most ``room`` seconds."""
        first, end = self._count - len(self._open), self._count - self._quiet
        if end - first >= self._shortest:
            last = end * FRAME_SECONDS + min(room, _MARGIN)
            yield Span(self._start(first), round(last, 3))
            self._end = end
        self._open, self._quiet = [], 0

    def _cut(self) -> Iterator[Span]:
        """Split speech at the lowest probability, without a margin."""
        first = self._count - len(self._open)
        length = _find_split(np.array(self._open, np.float32), first, self._shortest)
        yield Span(self._start(first), round((first + length) * FRAME_SECONDS, 3))
        self._end = first + length
        self._open = self._open[length:]

    def _start(self, first: int) -> float:
        """Return the start of speech, extended at most to the middle of the silence before it."""
        room = first if self._end == 0 else (first - self._end) / 2
        return round(first * FRAME_SECONDS - min(room * FRAME_SECONDS, _MARGIN), 3)


def _find_split(open_speech: Probabilities, first: int, shortest: int) -> int:
    """Return the length of the first part when splitting speech from frame ``first`` on.

    Neither part is shorter than ``shortest`` frames.
    """
    last = first + len(open_speech) - 1
    half = (first + last) // 2 - first
    inside = open_speech[half : len(open_speech) - 1 - shortest]
    return half + _DIP // 2 + int(np.convolve(inside, np.ones(_DIP), mode="valid").argmin())
