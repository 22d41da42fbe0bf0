"""A live session gives the same result as the analysis of its recording."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from mmerc import write_results
from mmerc.errors import UsageError
from mmerc.inference.streaming.events import (
    LiveUtterance,
    SpeechStarted,
    Stats,
    WordsHeard,
    event_as_dict,
)
from mmerc.inference.streaming.live_settings import LiveSettings
from mmerc.inference.streaming.session import LiveSession
from mmerc.media.decode import read_frames
from mmerc.media.sentences import Word

EXAMPLE = Path(__file__).parents[2] / "examples/phone-call.mp4"


def test_live_result_equals_the_offline_analysis(live_run, offline):
    live = live_run.session.utterances()
    assert len(live) >= 6
    assert [item.text for item in live] == [item.text for item in offline.predictions]
    assert [item.emotion for item in live] == [item.label for item in offline.predictions]
    names = {(a.speaker, b.speaker) for a, b in zip(live, offline.predictions, strict=True)}
    assert len(names) == 2  # the same two people under any names
    for item, recorded in zip(live, offline.predictions, strict=True):
        assert (item.start, item.end) == (recorded.start, recorded.end)
        for name, share in item.probabilities.items():
            assert share == pytest.approx(recorded.probabilities[name], abs=0.02)


def test_events_come_in_order_without_delay(live_run):
    kinds = [event.type for _, event in live_run.events]
    assert kinds[:2] == ["speech_started", "words"] and kinds[-1] == "stats"
    assert [item.index for item in live_run.of(LiveUtterance)] == list(range(1, 7))
    starts = [item.time for item in live_run.of(SpeechStarted)]
    assert len(starts) == 5 == len(set(starts))
    for heard, event in live_run.events:
        if isinstance(event, SpeechStarted):
            assert heard - event.time < 0.5
        if isinstance(event, LiveUtterance) and event.text.endswith("you."):
            assert heard - event.end < 1.0  # the last one of its turn has a pause of 0.5 s
    partial = [item for item in live_run.of(WordsHeard) if not item.final]
    final = [item for item in live_run.of(WordsHeard) if item.final]
    assert len(final) == 5 and partial
    assert {item.start for item in partial} <= {item.start for item in final}
    assert live_run.of(Stats)[-1].seconds == pytest.approx(20.6)


def test_utterances_state_their_modalities(live_run):
    for item in live_run.of(LiveUtterance):
        assert sum(item.probabilities.values()) == pytest.approx(1, abs=1e-3)
        assert item.modalities == ("text", "audio")
        assert item.absent == {"video": "no film or picture"}
        assert item.effects["text"] is not None and item.effects["video"] is None
        assert json.loads(json.dumps(event_as_dict(item)))["type"] == "utterance"


def test_export_is_an_ordinary_analysis(live_run, tmp_path):
    analysis = live_run.session.analysis("call.wav")
    paths = write_results(analysis, tmp_path)
    assert sorted(path.suffix for path in paths) == sorted(
        [".html", ".jsonl", ".csv", ".vtt", ".eaf", ".TextGrid"]
    )
    rows = [json.loads(line) for line in (tmp_path / "call.jsonl").read_text().splitlines()]
    assert [row["label"] for row in rows] == [i.emotion for i in live_run.session.utterances()]
    assert analysis.duration == pytest.approx(20.6)
    assert live_run.session.state().finished


def test_frames_are_analysed_during_speech(components, call):
    session = LiveSession(components)
    times = [i / 5 for i in range(26)]
    frames = {frame.time: frame.pixels for frame in read_frames(EXAMPLE, times, height=240)}
    events = []
    for number, time in enumerate(times):
        session.feed_picture(time, frames[time])
        session.feed_picture(time + 0.02, frames[time])
        events += session.feed_sound(call[0][number * 3200 : (number + 1) * 3200])
    (utterance,) = [event for event in events if isinstance(event, LiveUtterance)]
    assert session.state().dropped_frames == 26
    assert "video" in utterance.modalities or utterance.absent["video"] == "no face in any frame"


def test_frames_of_speech_ending_within_a_piece_are_analysed(components, monkeypatch):
    session, looked = LiveSession(components), []
    monkeypatch.setattr(session._faces, "look", lambda since, until: looked.append((since, until)))
    speech = np.repeat([0.0, 1.0, 0.0], [9, 16, 20]).astype(np.float32)  # per frame of 32 ms
    monkeypatch.setattr(session._stream, "feed", lambda piece: speech)
    monkeypatch.setattr(session, "_end_speech", lambda span: [])
    session.feed_sound(np.zeros(16000, np.float32))
    ((since, until),) = looked
    assert since < 9 * 0.032 and 25 * 0.032 < until < 1


def test_words_of_another_speech_recogniser(components, call):
    """They come with their speakers; nothing is transcribed."""
    session = LiveSession(components, LiveSettings(transcribe=False))
    spoken = [
        Word(text=text, start=start, end=start + 0.4, speaker=speaker)
        for text, start, speaker in [
            ("Hello.", 1.0, "Ana"), ("Are", 2.0, "Ben"), ("you", 2.4, "Ben"), ("home?", 2.8, "Ben"),
            ("Yes.", 4.5, "Ana"),
        ]
    ]  # fmt: skip
    events = session.feed_sound(call[0][:48000])
    events += session.feed_words(spoken[:4])
    first = [event for event in events if isinstance(event, LiveUtterance)]
    assert [(item.speaker, item.text) for item in first] == [("Ana", "Hello.")]
    events = session.feed_sound(call[0][48000:80000])
    later = [event for event in events if isinstance(event, LiveUtterance)]
    assert [(item.speaker, item.text) for item in later] == [("Ben", "Are you home?")]
    events = [*session.feed_words(spoken[4:]), *session.finish()]
    last = [event for event in events if isinstance(event, LiveUtterance)]
    assert [(item.speaker, item.text, item.start) for item in last] == [("Ana", "Yes.", 4.5)]


def test_utterances_that_start_together_stay_in_order(components, call):
    """The tenth comes after the second."""
    session = LiveSession(components, LiveSettings(transcribe=False))
    session.feed_sound(call[0][:48000])
    session.feed_words(
        [Word(text="Yes.", start=1.0, end=1.4, speaker=f"Guest {n}") for n in range(1, 13)]
    )
    session.finish()
    assert [item.index for item in session.utterances()] == list(range(1, 13))
    rows = session.analysis("call").predictions
    assert [row.id for row in rows] == [str(number) for number in range(1, 13)]


@pytest.mark.parametrize(
    ("samples", "problem"),
    [
        (np.zeros(10), "float32"),
        (np.zeros((2, 10), np.float32), "one channel"),
        (np.array([0, np.nan], np.float32), "finite"),
    ],
)
def test_other_audio_formats(components, samples, problem):
    with pytest.raises(UsageError, match=problem):
        LiveSession(components).feed_sound(samples)


def test_invalid_calls_are_refused(components):
    session = LiveSession(components)
    picture = np.zeros((8, 8, 3), np.uint8)
    for time, pixels in [(-1.0, picture), (float("nan"), picture), (0.0, picture[..., 0])]:
        with pytest.raises(UsageError, match="live picture"):
            session.feed_picture(time, pixels)
    with pytest.raises(UsageError, match="recognises words itself"):
        session.feed_words([])
    assert [event.type for event in session.finish()] == ["stats"]
    with pytest.raises(UsageError, match="has ended"):
        session.feed_sound(np.zeros(10, np.float32))
    assert session.utterances() == () and session.analysis().predictions == ()


def test_hour_of_silence_is_cheap_and_shifts_no_times(components, call):
    session = LiveSession(components)
    network = session._stream.network
    session._stream.network = SimpleNamespace(
        run=lambda names, inputs: [np.zeros(len(inputs["input"])), inputs["h"], inputs["c"]]
    )
    minute = np.zeros(60 * 16000, np.float32)
    events = [event for _ in range(60) for event in session.feed_sound(minute)]
    assert {event.type for event in events} == {"stats"} and events[-1].real_time_factor < 1
    assert len(session._sound._buffer) == 2 * 60 * 16000
    session._stream.network = network
    (start,) = session.feed_sound(call[0][:24_000])
    assert start.time == pytest.approx(3600.8, abs=0.3)
    assert session.state().speaking
