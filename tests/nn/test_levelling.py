"""Vectors levelled by recording and speaker, compared with a slow implementation."""

import math

import numpy as np
import pytest
import torch

from mmerc.nn.levelling import LevellingConfig, level_vectors

WIDTH = 6
RECORDING, SPEAKER = 20, 10  # the default priors


def slow_statistics(scores, centre, spread, prior):
    """Mean and variance of the scores together with ``prior`` typical ones."""
    weight = 1 / (len(scores) + prior)
    mean = weight * (sum(scores) + prior * centre)
    variance = weight * sum((score - mean) ** 2 for score in scores)
    return mean, variance + weight * prior * (spread + (centre - mean) ** 2)


def slow_levelling(scores, speakers, *, by, causal=False):
    """Levelled scores, one utterance and dimension at a time; None is absent."""
    levelled = []
    for row, vector in enumerate(scores):
        if vector is None:
            levelled.append([0.0] * WIDTH)
            continue
        last = row + 1 if causal else len(scores)
        counted = [n for n in range(last) if scores[n] is not None]
        moved = []
        for d in range(WIDTH):
            mean, variance = slow_statistics([scores[n][d] for n in counted], 0, 1, RECORDING)
            if by == "speaker":
                own = [scores[n][d] for n in counted if speakers[n] == speakers[row]]
                mean, variance = slow_statistics(own, mean, variance, SPEAKER)
            moved.append(max(-5.0, min(5.0, (vector[d] - mean) / math.sqrt(variance))))
        levelled.append(moved)
    return levelled


def batch(scores, speakers):
    """One conversation as a batch; absent vectors are NaN."""
    rows = [[math.nan] * WIDTH if vector is None else vector for vector in scores]
    present = torch.tensor([[vector is not None for vector in scores]])
    values = torch.tensor(rows, dtype=torch.float32).reshape(1, len(rows), WIDTH)
    return values, present, torch.tensor([speakers])


def level(scores, speakers, **settings):
    return level_vectors(*batch(scores, speakers), LevellingConfig(**settings), "audio")[0].numpy()


def random_scores(count, *, seed=0, loc=1.5, scale=2.0):
    return np.random.default_rng(seed).normal(loc, scale, size=(count, WIDTH)).tolist()


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("by", ["recording", "speaker"])
@pytest.mark.parametrize("count", [1, 2, 15, 60])
def test_equals_a_slow_reference(count, by, causal):
    scores, speakers = random_scores(count, seed=count), [number % 3 for number in range(count)]
    for absent in range(3, count, 7):
        scores[absent] = None
    expected = slow_levelling(scores, speakers, by=by, causal=causal)
    actual = level(scores, speakers, by=by, causal=causal)
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-4)


def test_conversations_and_padding_do_not_affect_each_other():
    one, other = random_scores(9, seed=1), random_scores(5, seed=2, loc=-3)
    values, present, speakers = batch(one, [0] * 9)
    padded = torch.full((1, 9, WIDTH), math.nan)
    padded[0, :5] = torch.tensor(other)
    both = level_vectors(
        torch.cat([values, padded]),
        torch.cat([present, torch.arange(9)[None] < 5]),
        torch.cat([speakers, speakers]),
        LevellingConfig(),
        "audio",
    )
    np.testing.assert_allclose(both[0], level(one, [0] * 9), atol=1e-5)
    np.testing.assert_allclose(both[1, :5], level(other, [0] * 5), atol=1e-5)
    assert not both[1, 5:].any()


def test_causal_levelling_ignores_later_utterances():
    scores, speakers = random_scores(20), [number % 2 for number in range(20)]
    whole = level(scores, speakers, causal=True)
    np.testing.assert_allclose(whole[:8], level(scores[:8], speakers[:8], causal=True), atol=1e-6)


def test_speaker_offsets_are_removed():
    typical = np.random.default_rng(0).normal(size=(2000, WIDTH))
    speakers = np.arange(2000) % 2
    levelled = level((typical + 2 * speakers[:, None]).tolist(), speakers.tolist())
    np.testing.assert_allclose(levelled[0::2].mean(0), levelled[1::2].mean(0), atol=0.05)
    np.testing.assert_allclose(levelled.std(0), 1, atol=0.1)


def test_microphone_offsets_are_removed():
    typical = np.random.default_rng(0).normal(size=(1000, WIDTH))
    levelled = level((typical * 3 + 7).tolist(), [0] * 1000, by="recording")
    np.testing.assert_allclose(levelled.mean(0), 0, atol=0.2)
    np.testing.assert_allclose(levelled.std(0), 1, atol=0.2)


def test_single_typical_utterance_hardly_changes():
    levelled = level([[0.5] * WIDTH], [0], by="recording")
    np.testing.assert_allclose(levelled, 0.5 * 20 / 21, rtol=0.05)


def test_constant_dimension_stays_finite_and_equal():
    levelled = level([[2.0] * WIDTH] * 40, [0] * 40)
    assert np.isfinite(levelled).all()
    assert np.ptp(levelled, axis=0).max() < 1e-6  # some processors round rows differently


def test_values_are_clipped_at_five_deviations():
    scores = [[0.0] * WIDTH for _ in range(400)]
    scores[7] = [1e4] * WIDTH
    np.testing.assert_allclose(level(scores, [0] * 400)[7], 5.0)


def test_statistics_keep_full_precision():
    scores, speakers = random_scores(30, loc=40), [0] * 30
    with torch.autocast("cpu", dtype=torch.bfloat16):
        reduced = level(scores, speakers)
    np.testing.assert_array_equal(reduced, level(scores, speakers))


def test_modalities_can_have_their_own_priors():
    scores, speakers = random_scores(12), [number % 2 for number in range(12)]
    own = {"recording_prior": 50.0, "speaker_prior": 5.0}
    config = LevellingConfig(modalities={"audio": own})
    for modality, settings in (("audio", own), ("video", {})):
        actual = level_vectors(*batch(scores, speakers), config, modality)[0].numpy()
        np.testing.assert_array_equal(actual, level(scores, speakers, **settings))
