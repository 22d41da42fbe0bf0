"""Audio shifts: spectrum and impulse response."""

import numpy as np
import pytest

from mmerc.media.decode import SAMPLE_RATE
from mmerc.media.sound_shifts import SOUND_SHIFTS, add_echo, limit_to_telephone, make_quieter


def tone(frequency, seconds=1.0):
    time = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return (0.1 * np.sin(2 * np.pi * frequency * time)).astype(np.float32)


def loudness(samples):
    """In decibels, without the first tenth of a second, in which a filter settles."""
    return 10 * np.log10(np.mean(np.square(samples[SAMPLE_RATE // 10 :], dtype=np.float64)))


@pytest.mark.parametrize(("frequency", "kept"), [(50, False), (1000, True), (7000, False)])
def test_telephone_limits_the_frequency_band(frequency, kept):
    lost = loudness(tone(frequency)) - loudness(limit_to_telephone(tone(frequency)))
    assert lost == pytest.approx(0, abs=0.5) if kept else lost > 20


def test_quieter_by_15_decibels():
    assert loudness(tone(300)) - loudness(make_quieter(tone(300))) == pytest.approx(15, abs=0.01)


def test_echo_follows_its_source():
    click = np.zeros(SAMPLE_RATE, np.float32)
    click[5000] = 1
    heard = add_echo(click)
    assert not heard[:5000].any() and heard[5000] == 1
    after = np.square(heard[5001:], dtype=np.float64)
    assert 0.2 < np.sqrt(after.sum()) < 0.4
    assert after[: SAMPLE_RATE // 20].sum() > 5 * after[SAMPLE_RATE // 10 :].sum()


@pytest.mark.parametrize("name", SOUND_SHIFTS)
def test_every_shift_keeps_length_and_type_and_is_reproducible(name):
    once, again = SOUND_SHIFTS[name](tone(440)), SOUND_SHIFTS[name](tone(440))
    assert (once.shape, once.dtype) == ((SAMPLE_RATE,), np.float32)
    assert np.array_equal(once, again) and not np.array_equal(once, tone(440))
