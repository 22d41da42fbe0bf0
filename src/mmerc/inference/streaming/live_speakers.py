"""Online diarization.

Uses the networks for whole recordings (``mmerc.media.speakers``), but compares voices with known
speakers instead of clustering.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from mmerc.inference.streaming.sound_memory import SoundMemory
from mmerc.media.resampling import SAMPLE_RATE
from mmerc.media.speaker_turns import Turn
from mmerc.media.speakers.clustering import assign_voices
from mmerc.media.speakers.diarization import VoiceChunk, analyse_chunk, read_turns
from mmerc.media.speakers.segmentation import (
    CHUNK_FRAMES,
    CHUNK_SAMPLES,
    FRAME_OFFSET,
    FRAME_SECONDS,
)
from mmerc.media.voice_activity import Span

# [decided] Cosine distances between a voice vector and a speaker's mean, and seconds of speech
# (docs/live.md).
_SAME_VOICE, _SAME_SHORT_VOICE, _SAME_SPEAKER = 0.5, 0.75, 0.3
_LONG_ENOUGH = 1.5  # seconds of speech; vectors of shorter speech are less certain
_HEARD_ENOUGH = 40  # vectors in a speaker's mean; beyond this, old ones decay
_MOST_SPEAKERS = 20
_REMEMBERED = 60.0  # seconds of turns
_SLACK = 0.05  # seconds
_CHUNK_SECONDS = CHUNK_SAMPLES / SAMPLE_RATE


@dataclass(kw_only=True)
class _Speaker:
    """A known speaker: mean voice vector, and speakers heard in the same chunk."""

    name: str
    mean: NDArray[np.float32]
    count: int = 1
    beside: set[str] = field(default_factory=set)

    def hear(self, vector: NDArray[np.float32]) -> None:
        self.count = min(self.count + 1, _HEARD_ENOUGH)
        self.mean = (self.mean + (vector - self.mean) / self.count).astype(np.float32)

    def distance(self, vector: NDArray[np.float32]) -> float:
        lengths = np.linalg.norm(self.mean) * np.linalg.norm(vector)
        return float(1 - self.mean @ vector / lengths)


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined:
    """Two speakers were merged: ``old`` is now called ``new``."""

    old: str
    new: str


class LiveSpeakers:
    """Turns of SPEAKER_01, SPEAKER_02, ..., numbered by first appearance.

    A voice is assigned to the nearest known speaker, or to a new one if none is near enough; the
    limit is looser for voices of less than 1.5 s. Speakers whose voices become similar are merged,
    unless both were heard in the same chunk.
    """

    def __init__(self) -> None:
        self._speakers: list[_Speaker] = []
        self._named = 0
        self._turns: deque[Turn] = deque()

    def copy(self) -> LiveSpeakers:
        """Copy the speakers, to try out a provisional span."""
        other = LiveSpeakers()
        other._speakers = [replace(item, beside=set(item.beside)) for item in self._speakers]
        other._named, other._turns = self._named, self._turns.copy()
        return other

    @property
    def turns(self) -> tuple[Turn, ...]:
        """The turns of the last minute."""
        return tuple(self._turns)

    def hear(self, chunks: Sequence[VoiceChunk], span: Span) -> list[Joined]:
        """Add the turns of a span of speech, from the chunks that cover it (``cut_span``)."""
        while self._turns and self._turns[-1].start >= span.start - _SLACK:
            self._turns.pop()  # from a draft, when the span was shorter
        ends = [*(chunk.start for chunk in chunks[1:]), span.end]
        for chunk, end in zip(chunks, ends, strict=True):
            self._add_turns(chunk, Span(max(span.start, chunk.start), end))
        while self._turns and self._turns[0].end < span.end - _REMEMBERED:
            self._turns.popleft()
        return self._merge_similar()

    def _add_turns(self, chunk: VoiceChunk, part: Span) -> None:
        """Add the turns within the part of a span covered by a chunk."""
        times = np.arange(CHUNK_FRAMES) * FRAME_SECONDS + FRAME_OFFSET + chunk.start
        activity = chunk.active & ((times >= part.start) & (times <= part.end))[:, None]
        voices = [local for local in chunk.voices if activity[:, local].any()]
        if not voices:
            return
        seconds = [float(chunk.active[:, local].sum()) * FRAME_SECONDS for local in voices]
        names = self._name([chunk.voices[local] for local in voices], seconds)
        for local, name in zip(voices, names, strict=True):
            for _, start, end in read_turns(activity[:, [local]], offset=chunk.start):
                self._turns.append(Turn(speaker=name, start=round(start, 3), end=round(end, 3)))

    def _name(self, vectors: Sequence[NDArray[np.float32]], seconds: Sequence[float]) -> list[str]:
        """Assign a different speaker to each voice of a chunk."""
        names = [""] * len(vectors)
        if self._speakers:
            means = np.stack([item.mean / np.linalg.norm(item.mean) for item in self._speakers])
            for voice, number in assign_voices(np.stack(vectors), means):
                speaker = self._speakers[number]
                distance = speaker.distance(vectors[voice])
                short = seconds[voice] < _LONG_ENOUGH or len(self._speakers) >= _MOST_SPEAKERS
                if distance <= _SAME_VOICE:
                    speaker.hear(vectors[voice])
                if distance <= (_SAME_SHORT_VOICE if short else _SAME_VOICE):
                    names[voice] = speaker.name
        for voice, vector in enumerate(vectors):
            names[voice] = names[voice] or self._add_speaker(vector)
        for speaker in self._speakers:
            if speaker.name in names:
                speaker.beside |= {*names} - {speaker.name}
        return names

    def _add_speaker(self, vector: NDArray[np.float32]) -> str:
        if len(self._speakers) >= _MOST_SPEAKERS:
            return min(self._speakers, key=lambda item: item.distance(vector)).name
        self._named += 1
        self._speakers.append(_Speaker(name=f"SPEAKER_{self._named:02d}", mean=vector))
        return self._speakers[-1].name

    def _merge_similar(self) -> list[Joined]:
        """Merge speakers with similar voices, the later into the earlier."""
        joined = []
        for later in reversed(self._speakers[1:]):
            for earlier in self._speakers[: self._speakers.index(later)]:
                near = earlier.distance(later.mean) <= _SAME_SPEAKER
                if near and later.name not in earlier.beside:
                    earlier.beside |= later.beside
                    self._speakers.remove(later)
                    joined.append(Joined(old=later.name, new=earlier.name))
                    self._rename(joined[-1])
                    break
        return joined

    def _rename(self, names: Joined) -> None:
        """Rename a speaker in the turns and in the other speakers' records."""
        for speaker in self._speakers:
            if names.old in speaker.beside:
                speaker.beside = speaker.beside - {names.old} | {names.new}
        self._turns = deque(
            replace(turn, speaker=names.new) if turn.speaker == names.old else turn
            for turn in self._turns
        )


def cut_span(span: Span, sound: SoundMemory) -> list[VoiceChunk]:
    """Analyse the ten-second chunks that cover a span of speech; the last ends with it.

    If there is less than a chunk at the start of a conversation, it is padded with silence.
    """
    chunks = []
    for number in reversed(range(math.ceil((span.end - span.start) / _CHUNK_SECONDS))):
        start = max(0.0, span.end - (number + 1) * _CHUNK_SECONDS)
        samples = sound.read(start, min(start + _CHUNK_SECONDS, span.end))[:CHUNK_SAMPLES]
        samples = np.pad(samples, (0, CHUNK_SAMPLES - len(samples)))
        chunks.append(analyse_chunk(start, samples, encode_from=span.start))
    return chunks
