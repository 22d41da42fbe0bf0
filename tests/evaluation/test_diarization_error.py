"""The diarization error rate, compared with a count second by second."""

import pytest

from mmerc.evaluation.diarization_error import measure_diarization, pool_errors
from mmerc.media.speaker_turns import Turn

pytest.importorskip("pyannote.metrics")


def turns(*items):
    return [Turn(speaker=name, start=start, end=end) for name, start, end in items]


REFERENCE = turns(("Mara", 0, 10), ("Tom", 8, 20))


@pytest.mark.parametrize(
    ("hypothesis", "missed", "false_alarm", "confused"),
    [
        (turns(("x", 0, 10), ("y", 8, 20)), 0, 0, 0),
        (turns(("x", 0, 10), ("y", 10, 20)), 2, 0, 0),  # overlapping speech counts
        (turns(("x", 0, 20)), 2, 0, 8),  # x is Tom, who speaks longer; Mara's 8 s are confused
        (turns(("x", 0, 10), ("y", 8, 25)), 0, 5, 0),
        ([], 22, 0, 0),
    ],
)
def test_errors_match_a_count_by_hand(hypothesis, missed, false_alarm, confused):
    error = measure_diarization("talk", REFERENCE, hypothesis, duration=30, collar=0)
    assert error.speech == pytest.approx(22)
    assert error.missed == pytest.approx(missed)
    assert error.false_alarm == pytest.approx(false_alarm)
    assert error.confused == pytest.approx(confused)
    assert error.rate == pytest.approx(100 * (missed + false_alarm + confused) / 22)
    assert error.reference_speakers == 2
    assert error.speakers == len({turn.speaker for turn in hypothesis})


def test_boundaries_within_the_collar_are_forgiven():
    late = turns(("x", 0.1, 10.1), ("y", 8.1, 20))
    assert measure_diarization("talk", REFERENCE, late, duration=30, collar=0.25).rate == 0
    assert measure_diarization("talk", REFERENCE, late, duration=30, collar=0.1).rate > 0


def test_speech_after_the_end_does_not_count():
    error = measure_diarization("talk", REFERENCE, turns(("x", 0, 10)), duration=8, collar=0)
    assert (error.speech, error.rate) == (8, 0)


def test_several_recordings_are_pooled_by_their_speech():
    one = measure_diarization("a", turns(("A", 0, 30)), turns(("x", 0, 30)), duration=30)
    other = measure_diarization("b", turns(("A", 0, 10)), [], duration=30)
    total = pool_errors([one, other])
    assert total.rate == pytest.approx(100 * other.missed / (one.speech + other.speech))
    assert total.speakers is None


def test_rate_is_undefined_without_speech():
    assert measure_diarization("a", [], [], duration=5).rate is None
