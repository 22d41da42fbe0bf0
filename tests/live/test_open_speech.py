"""Only later speech corrects earlier events."""

from types import SimpleNamespace

import numpy as np
import pytest

from mmerc.inference.streaming import open_speech
from mmerc.inference.streaming.events import Correction, LiveUtterance
from mmerc.inference.streaming.live_results import LiveResults
from mmerc.inference.streaming.live_speakers import Joined, LiveSpeakers
from mmerc.inference.streaming.open_speech import OpenSpeech
from mmerc.inference.streaming.sound_memory import SoundMemory
from mmerc.media.sentences import Word
from mmerc.media.speakers.diarization import VoiceChunk
from mmerc.media.transcription import Transcript
from mmerc.media.voice_activity import Span


class Script:
    """A transcriber with known output."""

    def __init__(self, *words):
        self.words = [Word(text=text, start=start, end=end) for text, start, end in words]

    def transcribe_samples(self, samples, span):
        words = tuple(w for w in self.words if span.start <= w.start and w.end <= span.end)
        text = " ".join(word.text for word in words)
        return Transcript(span=span, text=text, language="en", uncertain=False, words=words)


@pytest.fixture
def speech(components, monkeypatch):
    """A function that builds the open speech of a script, without comparing voices."""
    silent = VoiceChunk(start=0.0, active=np.zeros((589, 3), bool), voices={})
    monkeypatch.setattr(open_speech, "cut_span", lambda span, sound: [silent])

    def build(*words):
        parts = SimpleNamespace(
            transcriber=Script(*words), voice=components.voice, faces=None,
            helpers=components.helpers, model=components.model, language=None,
        )  # fmt: skip
        sound = SoundMemory()
        sound.add(np.random.default_rng(0).normal(0, 0.1, 480_000).astype(np.float32))
        results = LiveResults(components.model, lock=components.lock)
        return OpenSpeech(parts, sound, None, results), results

    return build


def texts(events):
    return [(e.index, e.text) for e in events if isinstance(e, LiveUtterance)]


def corrections(events):
    return [
        (e.index, e.utterance and e.utterance.text) for e in events if isinstance(e, Correction)
    ]


SCRIPT = [
    ("I", 1.0, 1.2), ("think", 1.2, 1.6),
    ("you", 2.3, 2.6), ("know.", 2.6, 3.4), ("Good.", 3.5, 5.5),
    ("Bye.", 9.0, 10.2),
]  # fmt: skip


def test_continuing_sentence_is_corrected(speech):
    open_part, results = speech(*SCRIPT)
    _, events = open_part.end(Span(0.9, 1.7))
    assert texts(events) == [(1, "I think")]
    _, events = open_part.end(Span(2.2, 5.6))
    assert corrections(events) == [(1, "I think you know.")]
    assert texts(events) == [(2, "Good.")]
    _, events = open_part.end(Span(8.9, 10.3))
    assert corrections(events) == [] and texts(events) == [(3, "Bye.")]
    assert [item.text for item in results.utterances()] == ["I think you know.", "Good.", "Bye."]
    assert len(results._live.past) == 3


def test_draft_reports_complete_sentences_and_the_end_reports_the_rest(speech):
    open_part, _ = speech(*SCRIPT[2:])
    _, events = open_part.draft(Span(2.2, 5.6))
    assert texts(events) == [(1, "you know.")]
    _, events = open_part.end(Span(2.2, 5.6))
    assert corrections(events) == [] and texts(events) == [(2, "Good.")]


def test_speakers_joined_by_a_draft_are_corrected(speech, monkeypatch):
    open_part, results = speech(*SCRIPT)
    open_part.end(Span(0.9, 1.7))
    open_part._open, open_part._words = [], ()  # final
    joined = [Joined(old="SPEAKER_01", new="SPEAKER_02")]
    monkeypatch.setattr(LiveSpeakers, "hear", lambda *_: joined)
    _, events = open_part.draft(Span(2.2, 5.6))
    assert [(e.index, e.reason, e.utterance.speaker) for e in events[:1]] == [
        (1, "speaker", "SPEAKER_02")
    ]
    assert texts(events) == [(2, "you know.")]
    assert results.speakers == ("SPEAKER_02",)


def test_old_words_are_compared_only_where_audio_is_kept(speech, monkeypatch):
    spans = []
    open_part, _ = speech()
    open_part._sound.add(np.zeros(480_000, np.float32))
    open_part._sound.add(np.zeros(480_000, np.float32))
    monkeypatch.setattr(open_speech, "cut_span", lambda span, sound: spans.append(span) or [])
    monkeypatch.setattr(LiveSpeakers, "hear", lambda *_: [])
    words = [Word(text="Hello.", start=0.0, end=0.5), Word(text="Bye.", start=88.0, end=88.5)]
    open_part.add_words(words)
    assert spans == [Span(30.0, 88.5)]


def test_merged_sentences_are_withdrawn(speech):
    open_part, results = speech(*SCRIPT[2:])
    open_part.draft(Span(2.2, 5.6))
    open_part._components.transcriber = Script(("you", 2.3, 2.6), ("no.", 2.6, 3.4))
    _, events = open_part.end(Span(2.2, 5.65))
    assert corrections(events) == [(1, "you no.")] and texts(events) == []
    open_part._components.transcriber = Script(("Wait", 4.0, 4.2))
    open_part._words = ()
    utterances = open_part._open
    events = open_part._revise([])
    assert corrections(events) == [(utterances[0].index, None)]
    assert len(results) == 0 and results._live.past == []


def test_speech_without_words_is_an_utterance(speech):
    open_part, _ = speech()
    _, events = open_part.end(Span(1.0, 2.0))
    (utterance,) = events
    assert (utterance.text, utterance.speaker) == ("", "SPEAKER_01")
    assert utterance.absent["text"] == "no words" and utterance.modalities == ("audio",)
    assert utterance.absent["video"] == "live analysis cannot extract its vectors"


def test_memory_does_not_grow(speech):
    """Except for the exported predictions."""
    words = [(f"w{i}.", 1.0 + i % 10, 1.9 + i % 10) for i in range(10)]
    open_part, results = speech(*words)
    results._live.history, results._live.level = 3, 5
    for number in range(10):
        start = 0.95 + number
        open_part._open, open_part._words = [], ()
        open_part.end(Span(start, start + 1.0))
    assert len(results) == 10 and len(results._live.past) == 5
    assert len(open_part._open) <= 1 and len(open_part._vectors) <= 1
