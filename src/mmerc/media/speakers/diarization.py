"""Diarization from sound: segment chunks, then cluster their voices.

Follows pyannote.audio's pipeline (Bredin 2023). In overlapping chunks of ten seconds a network
finds up to three local speakers. Each is encoded as a voice vector, from passages without other
speakers. The vectors of all chunks are clustered. In every frame, the number of active speakers is
the average over the chunks. Our addition: if the passages of a local speaker have two different
voices, they are separated.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mmerc.media.resampling import SAMPLE_RATE, Samples
from mmerc.media.speaker_turns import Turn
from mmerc.media.speakers.clustering import SpeakerCount, assign_voices, cluster_voices
from mmerc.media.speakers.filterbank import STEP_SAMPLES, WINDOW_SAMPLES, compute_filterbank
from mmerc.media.speakers.segmentation import (
    CHUNK_FRAMES,
    CHUNK_SAMPLES,
    FRAME_OFFSET,
    FRAME_SECONDS,
    find_active_speakers,
)
from mmerc.media.speakers.voice_encoder import encode_voice
from mmerc.media.speakers.voice_windows import VoiceWindows, split_voices
from mmerc.media.voice_activity import read_pieces

_STEP_SECONDS = 2.5
_SHORTEST_VOICE = 0.3  # seconds of speech needed for a voice vector
_LONGEST_GAP = 0.3  # seconds of silence within one turn
_FEWEST_WINDOWS = 2  # with a local speaker alone, to average their vectors
_ANY_COUNT = SpeakerCount()


@dataclass(frozen=True, slots=True, kw_only=True)
class VoiceChunk:
    """The local speakers of a ten-second chunk.

    Shape: ``active`` [589, 3] bool; ``voices``: local speaker -> [192], if heard long enough.
    """

    start: float
    active: NDArray[np.bool_]
    voices: Mapping[int, NDArray[np.float32]]


def find_turns(path: str | Path, *, count: SpeakerCount = _ANY_COUNT) -> tuple[Turn, ...]:
    """Find the turns of SPEAKER_01, SPEAKER_02, ... in a recording, numbered by speaking time.

    Turns of different speakers may overlap; times are in seconds. Empty if nobody speaks for 0.3 s.
    MediaError if the sound is missing or damaged.
    """
    return _find_turns_in(read_pieces(Path(path)), count=count)


def _find_turns_in(
    sound: Iterable[Samples], *, count: SpeakerCount = _ANY_COUNT
) -> tuple[Turn, ...]:
    """Find turns in a stream of samples at 16 kHz, in pieces of any length (``find_turns``)."""
    windows, chunks = VoiceWindows(), []
    for start, samples in _cut_chunks(sound):
        chunks.append(_analyse_with_windows(start, samples, windows))
    voices = list(_collect_voices(chunks, windows))
    if not voices:
        return ()
    centroids = cluster_voices(
        np.stack([voice.vector for voice in voices]),
        [voice.chunk for voice in voices],
        _measure_durations(chunks, voices),
        count=count,
    )
    return name_turns(read_turns(_activity(chunks, voices, centroids)))


def _cut_chunks(sound: Iterable[Samples]) -> Iterator[tuple[float, Samples]]:
    """Split sound into overlapping chunks; the last one ends with the sound.

    A recording shorter than a chunk is padded with silence.

    Shape: -> start in seconds, [160000].
    """
    step = int(_STEP_SECONDS * SAMPLE_RATE)
    buffer, start = np.zeros(0, np.float32), 0  # remaining samples after the last complete chunk
    ahead = 0  # samples from the start of the buffer to the start of the next chunk
    for piece in sound:
        buffer = np.concatenate([buffer, piece])
        while len(buffer) >= ahead + CHUNK_SAMPLES:
            buffer, start = buffer[ahead:], start + ahead
            yield start / SAMPLE_RATE, buffer[:CHUNK_SAMPLES]
            ahead = step
    rest = len(buffer) - CHUNK_SAMPLES
    if rest < 0:
        yield 0.0, np.pad(buffer, (0, -rest))
    elif rest > 0:
        yield (start + rest) / SAMPLE_RATE, buffer[rest:]


def analyse_chunk(start: float, samples: Samples, *, encode_from: float = -math.inf) -> VoiceChunk:
    """Find the local speakers of a chunk and encode their voices.

    Speakers who are silent from second ``encode_from`` on get no voice vector.

    Shape: samples [160000] from second ``start`` on.
    """
    sound = torch.from_numpy(samples)
    active = find_active_speakers(sound).numpy()
    late = np.arange(CHUNK_FRAMES) * FRAME_SECONDS + FRAME_OFFSET + start >= encode_from
    speakers = np.flatnonzero(active[late].any(0)).tolist()
    voices = _encode_local_speakers(compute_filterbank(sound), active, speakers)
    return VoiceChunk(start=start, active=active, voices=voices)


def _analyse_with_windows(start: float, samples: Samples, windows: VoiceWindows) -> VoiceChunk:
    """Find the local speakers of a chunk; encode its new windows.

    Voices are encoded separately only for speakers with too few windows alone.
    """
    sound = torch.from_numpy(samples)
    active = find_active_speakers(sound).numpy()
    if not active.any():
        return VoiceChunk(start=start, active=active, voices={})
    filterbank = compute_filterbank(sound)
    windows.encode(start, filterbank, active)
    brief = [
        speaker
        for speaker, alone in enumerate(_find_alone(active).T)
        if len(windows.find_alone(start, alone)) < _FEWEST_WINDOWS
    ]
    voices = _encode_local_speakers(filterbank, active, brief)
    return VoiceChunk(start=start, active=active, voices=voices)


def _find_alone(active: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Mark the frames with only one active local speaker. Shape: [F, 3] -> [F, 3]."""
    alone: NDArray[np.bool_] = active & (active.sum(1, keepdims=True) == 1)
    return alone


def _encode_local_speakers(
    filterbank: Tensor, active: NDArray[np.bool_], speakers: Iterable[int]
) -> dict[int, NDArray[np.float32]]:
    """Encode the voices of local speakers, from speech without overlap if long enough."""
    middles = (np.arange(len(filterbank)) * STEP_SAMPLES + WINDOW_SAMPLES / 2) / SAMPLE_RATE
    nearest = np.clip(((middles - FRAME_OFFSET) / FRAME_SECONDS).round(), 0, CHUNK_FRAMES - 1)
    frames, alone = nearest.astype(np.intp), _find_alone(active)
    voices: dict[int, NDArray[np.float32]] = {}
    for speaker in speakers:
        for mask in (alone[:, speaker], active[:, speaker]):
            if mask.sum() * FRAME_SECONDS >= _SHORTEST_VOICE:
                heard = torch.from_numpy(mask[frames])
                voices[speaker] = encode_voice(filterbank[heard]).numpy()
                break
    return voices


@dataclass(frozen=True, slots=True, kw_only=True)
class _Voice:
    """One person's voice in a chunk. Shape: vector [192], active [589] bool."""

    chunk: int
    vector: NDArray[np.float32]
    active: NDArray[np.bool_]


def _collect_voices(chunks: Sequence[VoiceChunk], windows: VoiceWindows) -> Iterator[_Voice]:
    """Collect the voices of all chunks; local speakers with two voices are split."""
    for number, chunk in enumerate(chunks):
        for speaker, alone in enumerate(_find_alone(chunk.active).T):
            active = chunk.active[:, speaker]
            if speaker in chunk.voices:
                yield _Voice(chunk=number, vector=chunk.voices[speaker], active=active)
                continue
            chosen = windows.find_alone(chunk.start, alone)
            if len(chosen) < _FEWEST_WINDOWS:
                continue
            vectors = windows.vectors(chosen)
            labels = split_voices(vectors)
            if labels is None:
                yield _Voice(chunk=number, vector=_average(vectors), active=active)
                continue
            distances = np.abs(
                np.arange(len(active))[:, None] - windows.locate(chunk.start, chosen)
            )
            nearest = labels[distances.argmin(1)]
            for label in (0, 1):
                vector = _average(vectors[labels == label])
                yield _Voice(chunk=number, vector=vector, active=active & (nearest == label))


def _average(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the mean vector, scaled to length 1. Shape: [n, D] -> [D]."""
    mean: NDArray[np.float32] = vectors.mean(0)
    normed: NDArray[np.float32] = mean / np.linalg.norm(mean)
    return normed


def _locate_chunks(chunks: Sequence[VoiceChunk]) -> tuple[list[int], NDArray[np.int32]]:
    """Return the first frame of every chunk, and the number of chunks covering each frame."""
    firsts = [round(chunk.start / FRAME_SECONDS) for chunk in chunks]
    covered = np.zeros(firsts[-1] + CHUNK_FRAMES, np.int32)
    for first in firsts:
        covered[first : first + CHUNK_FRAMES] += 1
    return firsts, covered


def _measure_durations(chunks: Sequence[VoiceChunk], voices: Sequence[_Voice]) -> list[float]:
    """Measure the seconds of every voice, divided among overlapping chunks."""
    firsts, covered = _locate_chunks(chunks)
    shares = [
        voice.active / covered[firsts[voice.chunk] : firsts[voice.chunk] + CHUNK_FRAMES]
        for voice in voices
    ]
    return [float(share.sum()) * FRAME_SECONDS for share in shares]


def _activity(
    chunks: Sequence[VoiceChunk], voices: Sequence[_Voice], centroids: NDArray[np.float32]
) -> NDArray[np.bool_]:
    """Combine the chunks into each speaker's activity. Shape: -> [F, S]."""
    firsts, covered = _locate_chunks(chunks)
    votes = np.zeros((len(covered), len(centroids)), np.int32)
    counts = np.zeros(len(covered), np.int32)
    for first, chunk in zip(firsts, chunks, strict=True):
        counts[first : first + CHUNK_FRAMES] += chunk.active.sum(1)
    for number, together in groupby(voices, key=lambda voice: voice.chunk):
        local = list(together)
        part = slice(firsts[number], firsts[number] + CHUNK_FRAMES)
        for voice, speaker in assign_voices(np.stack([v.vector for v in local]), centroids):
            votes[part, speaker] += local[voice].active
    simultaneous = np.round(counts / np.maximum(covered, 1))
    ranks = np.argsort(np.argsort(-votes, axis=1, kind="stable"), axis=1, kind="stable")
    activity: NDArray[np.bool_] = (ranks < simultaneous[:, None]) & (votes > 0)
    return activity


def read_turns(
    activity: NDArray[np.bool_], *, offset: float = 0.0
) -> list[tuple[int, float, float]]:
    """Return speaker, start and end in seconds of every turn; short gaps are closed.

    ``offset``: start time of the activity.
    """
    turns: list[tuple[int, float, float]] = []
    for speaker in range(activity.shape[1]):
        edges = np.flatnonzero(np.diff(np.pad(activity[:, speaker].astype(np.int8), 1)))
        times = edges.reshape(-1, 2) * FRAME_SECONDS + FRAME_OFFSET - FRAME_SECONDS / 2 + offset
        for start, end in times.tolist():
            before = turns[-1] if turns and turns[-1][0] == speaker else None
            if before is not None and start - before[2] <= _LONGEST_GAP:
                turns[-1] = (speaker, before[1], end)
            else:
                turns.append((speaker, start, end))
    return turns


def name_turns(turns: Sequence[tuple[int, float, float]]) -> tuple[Turn, ...]:
    """Sort turns by start and number speakers by speaking time."""
    durations: dict[int, float] = {}
    for speaker, start, end in turns:
        durations[speaker] = durations.get(speaker, 0.0) + end - start
    ranked = sorted(durations, key=lambda speaker: -durations[speaker])
    names = {speaker: f"SPEAKER_{rank:02d}" for rank, speaker in enumerate(ranked, start=1)}
    named = [
        Turn(speaker=names[speaker], start=round(start, 3), end=round(end, 3))
        for speaker, start, end in turns
    ]
    return tuple(sorted(named, key=lambda turn: (turn.start, turn.end)))
