"""Null models of a study: emotions shuffled within each speaker of each conversation.

Both preserve the order of speakers and each speaker's share of every emotion in the conversation.

``permuted``: a speaker's emotions in random order; only the order is destroyed (Bakeman, Robinson
and Quera 1996).

``shifted``: each speaker's emotions are shifted circularly by a random number of the speaker's
utterances, independently of other speakers. A speaker's own order is preserved (except at one
position); only the alignment of the speakers is destroyed. So lasting moods, which coincide by
chance for longer than single emotions, are not mistaken for contagion (surrogate data: Theiler et
al. 1992; Moulder et al. 2018).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mmerc.studies.sequences import Floats, Ints, Pairs, Sequences

Null = Literal["permuted", "shifted"]
_CHUNK = 200_000  # emotions shuffled at a time


def shuffled_counts(
    sequences: Sequences, pairs: Sequence[Pairs], *, null: Null, shuffles: int, seed: int
) -> list[Floats]:
    """Count the emotions of pairs in every shuffle.

    Shape: [shuffles, K, K] for each of ``pairs``; rows are the first emotion.
    """
    generator = np.random.default_rng(seed)
    size = max(1, _CHUNK // max(1, len(sequences.emotion)))
    sizes = [min(size, shuffles - start) for start in range(0, shuffles, size)]
    shuffle = _permuted if null == "permuted" else _shifted
    width = len(sequences.labels)
    chunks: list[list[Floats]] = [[] for _ in pairs]
    for emotions in shuffle(sequences, sizes, generator):
        for counts, item in zip(chunks, pairs, strict=True):
            counts.append(_count(emotions, item, width))
    return [np.concatenate(counts) for counts in chunks]


def count_pairs(sequences: Sequences, pairs: Pairs) -> Floats:
    """Count the emotions of pairs in every recording.

    Shape: [R, K, K]; rows are the first emotion.
    """
    width = len(sequences.labels)
    recording = sequences.recording[pairs.second]
    size = (sequences.recordings, width, width)
    place = (recording, sequences.emotion[pairs.first], sequences.emotion[pairs.second])
    cells = np.ravel_multi_index(place, size)
    return np.bincount(cells, minlength=int(np.prod(size))).reshape(size).astype(np.float64)


def _permuted(
    sequences: Sequences, sizes: Sequence[int], generator: np.random.Generator
) -> Iterator[NDArray[np.int64]]:
    """Shuffle emotions within each voice. Shape: [chunk, N].

    Uses one integer sort: the voice in the high bits, 32 random bits, the emotion in the low bits.
    """
    voice = sequences.voice.astype(np.uint64) << np.uint64(40)
    base = voice | sequences.emotion.astype(np.uint64)
    for size in sizes:
        bits = generator.integers(2**32, size=(size, len(base)), dtype=np.uint32)
        keys = bits.astype(np.uint64) << np.uint64(8)
        keys |= base
        keys.sort(axis=1)
        keys &= np.uint64(0xFF)
        yield keys.view(np.int64)


def _shifted(
    sequences: Sequences, sizes: Sequence[int], generator: np.random.Generator
) -> Iterator[NDArray[np.int64]]:
    """Shift emotions of each voice circularly by a random offset. Shape: [chunk, N]."""
    voice, emotion = sequences.voice, sequences.emotion.astype(np.int64)
    length = np.bincount(voice, minlength=sequences.voices)
    begin = np.cumsum(length) - length
    offset = np.arange(len(voice)) - begin[voice]
    lengths, begins = length[voice], begin[voice]
    for size in sizes:
        shift = (generator.random((size, len(length))) * length).astype(np.intp)
        place = shift.take(voice, axis=1)
        place += offset
        place -= np.where(place >= lengths, lengths, 0)
        place += begins
        yield emotion.take(place)


def _count(emotions: NDArray[np.int64], pairs: Pairs, width: int) -> Floats:
    """Count the emotions of pairs in every row. Shape: emotions [S, N] -> [S, K, K]."""
    cells = emotions.take(pairs.first, axis=1) * width
    cells += emotions.take(pairs.second, axis=1)
    cells += (np.arange(len(emotions)) * width**2)[:, None]
    counts = np.bincount(cells.ravel(), minlength=len(emotions) * width**2)
    return counts.reshape(len(emotions), width, width).astype(np.float64)


def expected_counts(sequences: Sequences, pairs: Pairs) -> Floats:
    """Compute the exact mean of the counts over all shuffles; the same for both null models.

    Two utterances of a speaker with n utterances, n_e of them with emotion e, have emotions e and f
    with probability n_e (n_f - [e = f]) / (n (n - 1)). Utterances of two speakers s and t have them
    with probability (n_se / n_s) (n_tf / n_t). (Pairs of one speaker: only for permuted emotions.)

    Shape: [R, K, K].
    """
    width = len(sequences.labels)
    expected = np.zeros((sequences.recordings, width, width))
    keys = sequences.voice[pairs.first] * sequences.voices + sequences.voice[pairs.second]
    combinations, count = np.unique(keys, return_counts=True)
    first, second = np.divmod(combinations, max(1, sequences.voices))
    tables = count[:, None, None] * pair_probabilities(sequences, first, second)
    np.add.at(expected, sequences.recording_of_voice[second], tables)
    return expected


def pair_probabilities(sequences: Sequences, first: Ints, second: Ints) -> Floats:
    """Return the probability of two emotions for utterances of two voices.

    Shape: voices [C], [C] -> [C, K, K].
    """
    counts = sequences.voice_counts
    totals = counts.sum(axis=1)
    one, other = counts[first], counts[second]
    same = first == second
    products = one[:, :, None] * other[:, None, :]
    width = len(sequences.labels)
    diagonal = np.arange(width)
    products[:, diagonal, diagonal] -= np.where(same[:, None], one, 0.0)
    divisor = totals[first] * (totals[second] - same)
    return np.asarray(products / divisor[:, None, None])
