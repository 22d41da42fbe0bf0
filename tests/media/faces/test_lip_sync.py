"""Lip sync: a mouth agrees with its own sound better than with shifted sound."""

import numpy as np
import pytest

from mmerc.media.decode import SAMPLE_RATE
from mmerc.media.faces.lip_sync import (
    LOOK_WIDTH,
    describe_sound,
    measure_mouth,
    measure_sync,
    predict_mouth,
    weigh_sync,
)


@pytest.fixture(scope="module")
def looks():
    """A mouth that opens and closes at random for three seconds. Shape: [75, 81]."""
    opening = 20 * np.random.default_rng(0).random(75)
    return np.concatenate([opening[:, None], np.repeat(100 - opening[:, None], 80, axis=1)], axis=1)


def test_mouth_matches_only_its_own_audio(looks):
    own = measure_mouth(looks) + np.random.default_rng(1).normal(0, 1, (74, 4))
    other = measure_mouth(np.roll(looks, 30, axis=0))
    assert measure_sync(looks, own) > 3
    assert measure_sync(looks, other) < 1.3
    assert measure_sync(looks, np.roll(own, 8, axis=0)) < 0  # eight frames late


def test_measures_follow_the_mouth_from_frame_to_frame(looks):
    change, opening, motion, direction = measure_mouth(looks).T
    steps = np.diff(looks[:, 0])
    assert np.corrcoef(change, np.abs(steps))[0, 1] == pytest.approx(1)
    assert np.corrcoef(opening, looks[1:, 0])[0, 1] == pytest.approx(1)
    assert np.corrcoef(motion, np.abs(steps))[0, 1] == pytest.approx(1)
    assert np.corrcoef(direction, steps)[0, 1] == pytest.approx(1)


def test_no_evidence_from_a_glimpse_or_a_photograph(looks):
    prediction = measure_mouth(looks)
    glimpse = looks.copy()
    glimpse[40:] = np.nan
    assert measure_sync(glimpse, prediction) is None
    still = looks[:1] + np.random.default_rng(0).normal(0, 0.1, looks.shape)
    assert measure_sync(still, prediction) is None
    assert weigh_sync(None) == 0 == weigh_sync(1.0)


def test_face_counts_only_while_visible(looks):
    late = np.concatenate([np.full((20, LOOK_WIDTH), np.nan), looks])
    prediction = np.concatenate([np.zeros((20, 4)), measure_mouth(looks)])
    assert measure_sync(late, prediction) == pytest.approx(measure_sync(looks, prediction[20:]))


def test_audio_features_per_frame():
    times = np.arange(50) / 25
    pulses = np.where(np.arange(2 * SAMPLE_RATE) // 4000 % 2, 0.3, 0.003)
    samples = (pulses * np.random.default_rng(0).normal(size=len(pulses))).astype(np.float32)
    sound = describe_sound(samples, times)
    loudness = sound[:, 42 + 40]  # of the middle of three frames
    assert sound.shape == (49, 126)
    assert np.corrcoef(loudness, pulses[(times[1:] * SAMPLE_RATE).astype(int)])[0, 1] > 0.8
    assert predict_mouth(samples, times).shape == (49, 4)


@pytest.mark.parametrize("samples", [np.zeros(32000), np.zeros(400)])
def test_silence_matches_a_still_mouth(samples):
    prediction = predict_mouth(samples.astype(np.float32), np.arange(50) / 25)
    assert np.ptp(prediction, axis=0) == pytest.approx(np.zeros(4), abs=1e-6)
    assert predict_mouth(np.zeros(399, np.float32), [0.0]) is None
