"""Who speaks when, from the sound alone: every chunk is segmented, its voices are clustered.

The way of pyannote.audio's pipeline (Bredin 2023): in overlapping chunks of ten seconds a network
finds up to three local speakers; each is encoded as a voice vector from the frames in which nobody
else speaks; the vectors of all chunks are clustered; and in every frame as many speakers are active
as the chunks say on average.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

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
from mmerc.media.voice_activity import read_pieces

_STEP_SECONDS = 2.5
_SHORTEST_VOICE = 0.3  # seconds of speech that a voice vector needs
_LONGEST_GAP = 0.3  # seconds of silence within one turn
_ANY_COUNT = SpeakerCount()


@dataclass(frozen=True, slots=True, kw_only=True)
class VoiceChunk:
    """Local speakers of ten seconds.

    Shape: ``active`` [589, 3] bool; ``voices``: local speaker -> [192], of those heard long enough.
    """

    start: float
    active: NDArray[np.bool_]
    voices: Mapping[int, NDArray[np.float32]]


def find_turns(path: str | Path, *, count: SpeakerCount = _ANY_COUNT) -> tuple[Turn, ...]:
    """Find the turns of SPEAKER_01, SPEAKER_02, ... in a recording, who speaks most first.

    Turns of different speakers may overlap; times are in seconds. None if nobody is heard speaking
    for 0.3 s. MediaError if there is no sound or it is damaged.
    """
    return _find_turns_in(read_pieces(Path(path)), count=count)


def _find_turns_in(
    sound: Iterable[Samples], *, count: SpeakerCount = _ANY_COUNT
) -> tuple[Turn, ...]:
    """Find turns in samples at 16 kHz that come in pieces of any length (``find_turns``)."""
    chunks = [analyse_chunk(start, samples) for start, samples in _cut_chunks(sound)]
    voices = [(n, vector) for n, chunk in enumerate(chunks) for vector in chunk.voices.values()]
    if not voices:
        return ()
    vectors = np.stack([vector for _, vector in voices])
    centroids = cluster_voices(vectors, [number for number, _ in voices], count=count)
    return name_turns(read_turns(_activity(chunks, centroids)))


def _cut_chunks(sound: Iterable[Samples]) -> Iterator[tuple[float, Samples]]:
    """Cut sound into overlapping chunks; the last one ends with the sound.

    A recording shorter than a chunk is padded with silence.

    Shape: -> start in seconds, [160000].
    """
    step = int(_STEP_SECONDS * SAMPLE_RATE)
    buffer, start = np.zeros(0, np.float32), 0  # what is not yet cut, after the last whole chunk
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


def analyse_chunk(start: float, samples: Samples) -> VoiceChunk:
    """Find the local speakers of a chunk and encode their voices.

    Shape: samples [160000] from second ``start`` on.
    """
    sound = torch.from_numpy(samples)
    active = find_active_speakers(sound).numpy()
    alone = active & (active.sum(1, keepdims=True) == 1)
    voices: dict[int, NDArray[np.float32]] = {}
    if active.any():
        filterbank = compute_filterbank(sound)
        middles = (np.arange(len(filterbank)) * STEP_SAMPLES + WINDOW_SAMPLES / 2) / SAMPLE_RATE
        frames = np.clip(((middles - FRAME_OFFSET) / FRAME_SECONDS).round(), 0, CHUNK_FRAMES - 1)
        for speaker in range(active.shape[1]):
            for mask in (alone[:, speaker], active[:, speaker]):
                heard = torch.from_numpy(mask[frames.astype(np.intp)])
                if mask.sum() * FRAME_SECONDS >= _SHORTEST_VOICE:
                    voices[speaker] = encode_voice(filterbank[heard]).numpy()
                    break
    return VoiceChunk(start=start, active=active, voices=voices)


def _activity(chunks: Sequence[VoiceChunk], centroids: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Combine the chunks into the activity of every speaker. Shape: -> [F, S]."""
    firsts = [round(chunk.start / FRAME_SECONDS) for chunk in chunks]
    votes = np.zeros((firsts[-1] + CHUNK_FRAMES, len(centroids)), np.int32)
    counts, covered = np.zeros((2, len(votes)), np.int32)
    for first, chunk in zip(firsts, chunks, strict=True):
        part = slice(first, first + CHUNK_FRAMES)
        covered[part] += 1
        counts[part] += chunk.active.sum(1)
        if chunk.voices:
            locals_ = list(chunk.voices)
            for voice, speaker in assign_voices(np.stack(list(chunk.voices.values())), centroids):
                votes[part, speaker] += chunk.active[:, locals_[voice]]
    simultaneous = np.round(counts / np.maximum(covered, 1))
    ranks = np.argsort(np.argsort(-votes, axis=1, kind="stable"), axis=1, kind="stable")
    activity: NDArray[np.bool_] = (ranks < simultaneous[:, None]) & (votes > 0)
    return activity


def read_turns(
    activity: NDArray[np.bool_], *, offset: float = 0.0
) -> list[tuple[int, float, float]]:
    """Speaker, start and end in seconds of every turn; short gaps within a turn are closed.

    ``offset``: the time at which the activity begins.
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
    """Turns in the order of their starts; speakers are numbered by how long they speak."""
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
