"""One live conversation: sound, pictures and words in, events out."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmerc.conversation import Modality, Utterance
from mmerc.errors import UsageError
from mmerc.features.base import Absent
from mmerc.features.sound_samples import VoiceExtractor
from mmerc.features.store import Vector
from mmerc.inference.analysis import Analysis
from mmerc.inference.live import Live
from mmerc.inference.streaming.events import (
    HeardWord,
    LiveEvent,
    LiveUtterance,
    SpeechStarted,
    Stats,
    WordsHeard,
)
from mmerc.inference.streaming.live_components import LiveComponents
from mmerc.inference.streaming.live_settings import LiveSettings
from mmerc.media.decode import SAMPLE_RATE
from mmerc.media.resampling import Samples
from mmerc.media.sentences import Sentence, Word, split_sentences
from mmerc.media.voice_activity import Span, SpanCutter
from mmerc.media.voice_network import SpeechStream
from mmerc.prediction.utterance_predictions import UtterancePrediction

_REPORT_EVERY = 10.0  # seconds of sound between two reports of how the session copes
_KEPT = 60 * SAMPLE_RATE  # samples of the past that utterances may still need


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveState:
    """Where a session stands: ``seconds`` of sound heard, whether somebody is ``speaking``."""

    seconds: float
    speaking: bool
    utterances: int
    speakers: tuple[str, ...]
    dropped_frames: int
    finished: bool


class LiveSession:
    """Analyses a conversation while it goes on.

    Sound is the clock: pictures and words are placed by seconds since its first sample. Calls
    return what became certain by them; they compute in the calling thread, one at a time. Errors
    are those of a caller: UsageError for sound or pictures of another kind, or after ``finish``.
    """

    def __init__(self, components: LiveComponents, settings: LiveSettings | None = None) -> None:
        self.components = components
        self.settings = LiveSettings() if settings is None else settings
        self._stream = SpeechStream(components.speech_network)
        self._cutter = SpanCutter()
        self._sound = np.zeros(0, np.float32)
        self._first = 0  # index of the first sample that is kept
        self._live = Live(model=components.model.model)
        self._predictions: list[UtterancePrediction] = []
        self._absent: dict[str, dict[Modality, str]] = {}
        self._speaking = self._finished = False
        self._dropped = 0
        self._busy = self._reported_busy = self._reported_seconds = 0.0

    @property
    def seconds(self) -> float:
        """How much sound was heard."""
        return (self._first + len(self._sound)) / SAMPLE_RATE

    def feed_sound(self, samples: Samples) -> list[LiveEvent]:
        """Hear the sound that follows.

        Shape: float32 [any], mono, 16 kHz, between -1 and 1.
        """
        self._check_open()
        _check_samples(samples)
        began = time.perf_counter()
        self._sound = np.concatenate([self._sound, samples])
        spans = list(self._cutter.feed(self._stream.feed(samples)))
        events = self._note_speech(spans)
        for span in spans:
            events += self._end_speech(span)
        excess = len(self._sound) - _KEPT
        if excess > 0:
            self._sound, self._first = self._sound[excess:].copy(), self._first + excess
        self._busy += time.perf_counter() - began
        if self.seconds - self._reported_seconds >= _REPORT_EVERY:
            events.append(self._report())
        return events

    def feed_picture(self, time_seconds: float, rgb: NDArray[np.uint8]) -> None:
        """See the speakers at a time of the sound. Shape: uint8 [H, W, 3], RGB."""
        self._check_open()
        if rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3:
            raise UsageError("A live picture needs uint8 pixels [height, width, 3] in RGB.")

    def feed_words(self, words: Sequence[Word]) -> list[LiveEvent]:
        """Hear recognised words, in order; the settings must say that nothing is transcribed."""
        self._check_open()
        if self.settings.transcribe:
            raise UsageError("The session recognises words itself; set transcribe to false.")
        return []

    def finish(self) -> list[LiveEvent]:
        """End the conversation; nothing can be fed after that."""
        self._check_open()
        events: list[LiveEvent] = []
        for span in self._cutter.finish():
            events += self._end_speech(span)
        self._finished = True
        return [*events, self._report()]

    def state(self) -> LiveState:
        """Where the session stands."""
        return LiveState(
            seconds=self.seconds,
            speaking=self._speaking,
            utterances=len(self._predictions),
            speakers=tuple(dict.fromkeys(item.speaker for item in self._predictions)),
            dropped_frames=self._dropped,
            finished=self._finished,
        )

    def utterances(self) -> tuple[LiveUtterance, ...]:
        """All utterances by now, as corrected."""
        return tuple(_describe(item, self._absent.get(item.id, {})) for item in self._predictions)

    def analysis(self, name: str = "live") -> Analysis:
        """The conversation by now as an analysis that ``mmerc.write_results`` writes.

        ``name`` takes the place of the recording's file name.
        """
        return Analysis(
            recording=name,
            duration=round(self.seconds, 3),
            model=self.components.model.name,
            labels=self.components.model.model.labels,
            predictions=tuple(self._predictions),
            absent=dict(self._absent),
        )

    def _check_open(self) -> None:
        if self._finished:
            raise UsageError("The live session has ended; start another one.")

    def _note_speech(self, spans: Sequence[Span]) -> list[LiveEvent]:
        """The beginnings of speech: of what ended already, and of what goes on."""
        starts = [span.start for span in spans]
        if self._cutter.open_since is not None and self._cutter.is_long_enough:
            starts.append(self._cutter.open_since)
        events: list[LiveEvent] = [SpeechStarted(time=t) for t in starts[self._speaking :]]
        self._speaking = self._cutter.open_since is not None and self._cutter.is_long_enough
        return events

    def _end_speech(self, span: Span) -> list[LiveEvent]:
        """Words and utterances of a span of speech."""
        transcript = self.components.transcriber.transcribe_samples(self._samples(span), span)
        heard = tuple(
            HeardWord(text=w.text, start=w.start, end=w.end, probability=w.probability)
            for w in transcript.words
        )
        events: list[LiveEvent] = [
            WordsHeard(
                start=span.start, end=span.end, text=transcript.text, words=heard, final=True
            )
        ]
        return [*events, *(self._utter(item) for item in split_sentences(transcript.words))]

    def _utter(self, sentence: Sentence) -> LiveUtterance:
        """Predict the emotion of an utterance."""
        number = str(len(self._predictions) + 1)
        utterance = Utterance(
            id=number,
            speaker=sentence.speaker,
            text=sentence.text,
            start=sentence.start,
            end=sentence.end,
        )
        vectors: dict[Modality, Vector | None] = {}
        absent: dict[Modality, str] = dict(self.components.model.missing)
        voice = self.components.voice
        if isinstance(voice, VoiceExtractor):
            vector = voice.extract_samples(self._samples(Span(sentence.start, sentence.end)))
            if isinstance(vector, Absent):
                absent["audio"] = vector.reason
            vectors["audio"] = None if isinstance(vector, Absent) else vector
        prediction = self._live.hear(utterance, vectors)
        self._predictions.append(prediction)
        self._absent[number] = absent
        return _describe(prediction, absent)

    def _samples(self, span: Span) -> Samples:
        first, end = (round(t * SAMPLE_RATE) - self._first for t in (span.start, span.end))
        return self._sound[max(first, 0) : end]

    def _report(self) -> Stats:
        seconds = self.seconds - self._reported_seconds
        busy = self._busy - self._reported_busy
        self._reported_seconds, self._reported_busy = self.seconds, self._busy
        return Stats(
            seconds=round(self.seconds, 3),
            real_time_factor=round(busy / max(seconds, 1e-3), 3),
            dropped_frames=self._dropped,
        )


def _check_samples(samples: Samples) -> None:
    if samples.ndim != 1 or samples.dtype != np.float32:
        raise UsageError("Live sound needs float32 samples of one channel at 16 kHz.")
    if not np.isfinite(samples).all():
        raise UsageError("Live sound has samples that are no numbers.")


def _describe(prediction: UtterancePrediction, absent: dict[Modality, str]) -> LiveUtterance:
    effects = prediction.effects
    return LiveUtterance(
        index=int(prediction.id),
        start=prediction.start or 0.0,
        end=prediction.end or 0.0,
        text=prediction.text,
        speaker=prediction.speaker,
        emotion=prediction.label,
        probabilities=prediction.probabilities,
        effects=effects,
        context_effect=prediction.context_effect,
        modalities=tuple(m for m in effects if m not in absent and effects[m] is not None),
        absent=absent,
    )
