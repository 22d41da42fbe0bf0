"""Spans of speech in a recording, cut into utterances at the pauses.

The sound is decoded and judged a minute at a time: of what is behind, one number per 32 ms is
kept.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mmerc.errors import UsageError
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

# Silero's own: a frame above the first begins speech, and below the second may end it.
_SPEECH, _STILL_SPEECH = 0.5, 0.35
_MARGIN = 0.05  # seconds kept around speech: soft beginnings of words are judged silent
_DIP = 8  # frames that must be least sure together where speech is cut without a pause


@dataclass(frozen=True, slots=True)
class Span:
    """Part of a recording, from ``start`` to ``end`` in seconds."""

    start: float
    end: float


@dataclass(frozen=True, slots=True, kw_only=True)
class UtteranceLimits:
    """How speech is cut into utterances, in seconds.

    Silence of ``pause`` parts two of them. Speech below ``shortest`` is left out. What would last
    above ``longest`` is cut in its second half, where speech is least sure.
    """

    pause: float = 0.5
    shortest: float = 0.25
    longest: float = 20.0

    def __post_init__(self) -> None:
        if not (self.pause > 0 and self.shortest > 0 and self.longest >= 2 * self.shortest + 1):
            raise UsageError(
                f"Utterances of {self.shortest} to {self.longest} s, parted by {self.pause} s, "
                "cannot be cut; choose times above zero, and let the longest last a second more "
                "than twice the shortest."
            )


_DEFAULT_LIMITS = UtteranceLimits()


def find_speech(path: Path, *, limits: UtteranceLimits = _DEFAULT_LIMITS) -> tuple[Span, ...]:
    """Spans of speech in a recording, in order and without overlap; none where there is no speech.

    MediaError where there is no sound, where it is damaged or cut off, or lasts less than 32 ms;
    MmercError where the network's weights are not installed, InputError where they are others.
    """
    return _speech_spans(read_pieces(path), limits=limits)


def read_pieces(path: Path) -> Iterator[Samples]:
    """The whole sound of a file as ``read_sound`` gives it, but in short pieces as they come."""
    timeline = Timeline(path, first=0, stop=sys.maxsize)
    with opened_at(path, sound_stream, time=0.0) as (stream, timed_frames):
        gaps = stream.container.format.name in STAMPED
        for index, samples in pieces(path, timed_frames, start=0.0, gaps=gaps):
            timeline.place(index, samples)
            yield from timeline.parts
            timeline.parts.clear()
    if timeline.filled < FRAME:
        raise MediaError(path, "too short for speech", "give a recording of 32 ms or more")


def _speech_spans(
    sound: Iterable[Samples], *, limits: UtteranceLimits = _DEFAULT_LIMITS
) -> tuple[Span, ...]:
    """Spans of speech in samples at 16 kHz that come in pieces of any length (``find_speech``)."""
    return _spans_of(
        np.concatenate([np.zeros(0, np.float32), *speech_probabilities(sound)]), limits
    )


def _spans_of(probabilities: Probabilities, limits: UtteranceLimits) -> tuple[Span, ...]:
    """Spans of speech by the probabilities of successive frames."""
    shortest = math.ceil(limits.shortest / FRAME_SECONDS)
    frames = [
        (first, end) for first, end in utterances(probabilities, limits) if end - first >= shortest
    ]
    spans = np.array(frames, np.float64).reshape(-1, 2) * FRAME_SECONDS
    padded = _with_margins(spans, length=len(probabilities) * FRAME_SECONDS)
    return tuple(Span(start, end) for start, end in padded.round(3).tolist())


def utterances(probabilities: Probabilities, limits: UtteranceLimits) -> Iterator[tuple[int, int]]:
    """First frame of each utterance and the frame after its last."""
    pause = math.ceil(limits.pause / FRAME_SECONDS)
    longest = math.floor((limits.longest - 2 * _MARGIN) / FRAME_SECONDS)
    first: int | None = None
    quiet = 0  # frames on end without speech
    for frame, probability in enumerate(probabilities.tolist()):
        if first is None and probability < _SPEECH:
            continue
        first = frame if first is None else first
        quiet = 0 if probability >= (_SPEECH if quiet else _STILL_SPEECH) else quiet + 1
        if quiet == pause:
            yield first, frame + 1 - quiet
            first, quiet = None, 0
        elif quiet == 0 and frame - first >= longest:
            cut = _weakest_place(probabilities, first, frame, limits)
            yield first, cut
            first = cut
    if first is not None:
        yield first, len(probabilities) - quiet


def _weakest_place(
    probabilities: Probabilities, first: int, last: int, limits: UtteranceLimits
) -> int:
    """Where to cut speech from frame ``first`` to ``last``, so that neither part is too short."""
    half = (first + last) // 2
    inside = probabilities[half : last - math.ceil(limits.shortest / FRAME_SECONDS)]
    return half + _DIP // 2 + int(np.convolve(inside, np.ones(_DIP), mode="valid").argmin())


def _with_margins(spans: NDArray[np.float64], *, length: float) -> NDArray[np.float64]:
    """Widen spans on both sides, at most to the middle of the silence between two.

    Shape: spans [N, 2] in seconds, in order, within 0 and ``length`` -> [N, 2].
    """
    starts, ends = spans.T
    room = [2 * starts[:1], starts[1:] - ends[:-1], 2 * (length - ends[-1:])]
    margins = np.minimum(np.concatenate(room) / 2, _MARGIN)
    widened: NDArray[np.float64] = spans + np.stack([-margins[:-1], margins[1:]], axis=1)
    return widened
