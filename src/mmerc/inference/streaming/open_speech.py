"""The open part of a live conversation: words, speakers and utterances that may still change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from mmerc.conversation import Modality
from mmerc.features.base import Absent
from mmerc.features.store import Vector
from mmerc.inference.streaming.events import (
    Correction,
    LiveEvent,
    LiveUtterance,
    WordsHeard,
    describe_words,
)
from mmerc.inference.streaming.live_components import LiveComponents, extract_voice
from mmerc.inference.streaming.live_faces import LiveFaces
from mmerc.inference.streaming.live_results import LiveResults
from mmerc.inference.streaming.live_speakers import Joined, LiveSpeakers, cut_span
from mmerc.inference.streaming.sound_memory import SECONDS, SoundMemory
from mmerc.inference.streaming.spoken_utterances import (
    SpokenUtterance,
    split_words,
    without_words,
)
from mmerc.media.sentences import LONG_PAUSE, Word
from mmerc.media.speakers.diarization import VoiceChunk
from mmerc.media.transcription import Transcript
from mmerc.media.voice_activity import Span

_SETTLED = 1.0  # seconds after which a sentence within speech counts as complete
_LONGEST_WAIT = 20.0  # seconds; longest wait of words for the end of their sentence

_Vectors = tuple[dict[Modality, Vector | None], dict[Modality, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reported:
    """A reported utterance with its index."""

    index: int
    spoken: SpokenUtterance


class OpenSpeech:
    """Turns spans of speech into utterances.

    A sentence may continue after a pause: the last utterance's words are segmented again together
    with the following words, and differences are reported as corrections. Everything before
    the last utterance is final; the last one is final after two seconds without speech.
    """

    def __init__(
        self,
        components: LiveComponents,
        sound: SoundMemory,
        faces: LiveFaces | None,
        results: LiveResults,
    ) -> None:
        self._components = components
        self._sound = sound
        self._faces = faces
        self._results = results
        self._speakers = LiveSpeakers()
        self._words: tuple[Word, ...] = ()  # words of the last utterance, before the open span
        self._open: list[_Reported] = []  # utterances that may still change
        self._waiting: list[Word] = []  # words from an external recogniser
        self._language: str | None = components.language
        self._heard: tuple[Span, Transcript, list[VoiceChunk]] | None = None
        self._vectors: dict[Span, _Vectors] = {}

    def draft(self, span: Span) -> tuple[Transcript, list[LiveEvent]]:
        """Prepare the utterances of a span that may continue; report complete sentences.

        A sentence is complete if more words follow. Reported utterances are corrected only if two
        speakers were merged.
        """
        transcript, chunks = self._recognise(span)
        speakers = self._speakers.copy()
        joined = speakers.hear(chunks, span)
        utterances = self._split(transcript, speakers)
        for spoken in utterances:
            self._extract(spoken)
        complete = [item for item in utterances[:-1] if item.end <= span.end - _SETTLED]
        if len(complete) <= len(self._open) or not all(map(_is_similar, self._open, complete)):
            return transcript, []
        self._speakers = speakers
        events = [event for names in joined for event in self._join(names)]
        renamed = self._split(transcript, speakers)  # the usual speaker may have been merged
        fresh = renamed[len(self._open) : len(complete)]
        return transcript, [*events, *(self._report(item) for item in fresh)]

    def end(self, span: Span) -> tuple[Transcript, list[LiveEvent]]:
        """Report the utterances of a completed span."""
        transcript, chunks = self._recognise(span)
        joined = self._speakers.hear(chunks, span)
        events = [event for names in joined for event in self._join(names)]
        utterances = self._split(transcript, self._speakers)
        events += self._revise(utterances)
        self._finalise()
        return transcript, events

    def add_words(self, words: Sequence[Word]) -> list[LiveEvent]:
        """Add words from an external recogniser."""
        self._waiting = sorted([*self._waiting, *words], key=lambda word: word.start)
        return self.report_words()

    def report_words(self, *, everything: bool = False) -> list[LiveEvent]:
        """Report waiting words in complete sentences, or all of them."""
        if not self._waiting:
            return []
        last = max(word.end for word in self._waiting)
        quiet = self._sound.seconds - last >= _SETTLED
        long = last - self._waiting[0].start >= _LONGEST_WAIT
        first = max(self._waiting[0].start, self._sound.seconds - SECONDS)
        span = Span(first, min(last, self._sound.seconds))
        named = all(word.speaker is not None for word in self._waiting)
        speakers = self._speakers.copy()
        events: list[LiveEvent] = []
        sentences = split_words(self._waiting, (), usual_speaker=self._results.last_speaker)
        if not (everything or quiet or long) and len(sentences) < 2:
            return []
        if not named and span.end > span.start:
            joined = speakers.hear(cut_span(span, self._sound), span)
            events = [event for names in joined for event in self._join(names)]
            self._speakers = speakers
            last_speaker = self._results.last_speaker
            sentences = split_words(self._waiting, speakers.turns, usual_speaker=last_speaker)
        ready = sentences if everything or quiet or long else sentences[:-1]
        for spoken in ready:
            events.append(_final_words(spoken))
            events.append(self._report(spoken))
        done = {id(word) for spoken in ready for word in spoken.words}
        self._waiting = [word for word in self._waiting if id(word) not in done]
        self._open, self._vectors = [], {}
        return events

    def _recognise(self, span: Span) -> tuple[Transcript, list[VoiceChunk]]:
        """Recognise words and voices of a span in parallel, reusing the last draft.

        Face vectors are extracted at the same time, whatever the utterances will be.
        """
        if self._words and span.start - self._words[-1].end >= LONG_PAUSE:
            self._open, self._words = [], ()
        if self._heard is None or self._heard[0] != span:
            helpers = self._components.helpers
            voices = helpers.submit(cut_span, span, self._sound)
            faces = None if self._faces is None else helpers.submit(self._faces.prepare, span)
            samples = self._sound.read(span.start, span.end)
            transcript = self._components.transcriber.transcribe_samples(samples, span)
            self._heard = span, transcript, voices.result()
            if faces is not None:
                faces.result()
        _, transcript, chunks = self._heard
        self._language = transcript.language or self._language
        return transcript, chunks

    def _split(self, transcript: Transcript, speakers: LiveSpeakers) -> list[SpokenUtterance]:
        """Build the open utterances from the words and voices of the open span."""
        last_speaker = self._results.last_speaker
        turns = speakers.turns
        words = [*self._words, *transcript.words]
        utterances = split_words(words, turns, usual_speaker=last_speaker)
        if transcript.words:
            return utterances
        wordless = without_words(transcript.span, turns, usual_speaker=last_speaker)
        vectors, _ = self._extract(wordless)
        perceptible = any(vector is not None for vector in vectors.values())
        return [*utterances, wordless] if perceptible else utterances

    def _revise(self, utterances: Sequence[SpokenUtterance]) -> list[LiveEvent]:
        """Report new utterances, and corrections of those that changed."""
        same = 0
        while same < min(len(self._open), len(utterances)) and _is_similar(
            self._open[same], utterances[same]
        ):
            same += 1
        former = self._open[same:]
        self._results.withdraw(len(former))
        self._open = self._open[:same]
        events: list[LiveEvent] = []
        for number, spoken in enumerate(utterances[same:]):
            if number >= len(former):
                events.append(self._report(spoken))
                continue
            before = self._results.get(former[number].index)
            after = self._report(spoken, index=former[number].index)
            if after != before:
                events.append(Correction(index=before.index, reason="words", utterance=after))
        for surplus in former[len(utterances) - same :]:
            self._results.remove(surplus.index)
            events.append(Correction(index=surplus.index, reason="words", utterance=None))
        return events

    def _report(self, spoken: SpokenUtterance, *, index: int | None = None) -> LiveUtterance:
        """Predict an utterance, which may still change."""
        vectors, absent = self._extract(spoken)
        utterance = self._results.add(
            spoken,
            vectors,
            absent,
            turns=self._speakers.turns,
            language=self._language,
            index=index,
        )
        self._open.append(_Reported(index=utterance.index, spoken=spoken))
        return utterance

    def _extract(self, spoken: SpokenUtterance) -> _Vectors:
        """Extract voice and face vectors, or reasons for absence; results are cached by span."""
        if spoken.span in self._vectors:
            return self._vectors[spoken.span]
        samples = self._sound.read(spoken.start, spoken.end)
        vectors: dict[Modality, Vector | None] = {}
        absent: dict[Modality, str] = dict(self._components.model.missing)
        parts: dict[Modality, Vector | Absent] = {}
        if self._components.voice is not None:
            parts["audio"] = extract_voice(self._components.voice, samples)
        if self._faces is not None:
            parts["video"] = self._faces.vector(spoken.span, samples)
        for modality in self._components.model.extractors.keys() - parts.keys():
            absent[modality] = "live analysis cannot extract its vectors"
        for modality, part in parts.items():
            vectors[modality] = None if isinstance(part, Absent) else part
            if isinstance(part, Absent):
                absent[modality] = part.reason
        self._vectors[spoken.span] = vectors, absent
        return vectors, absent

    def _finalise(self) -> None:
        """Make all utterances except the last one final."""
        self._open = [item for item in self._open[-1:] if item.spoken.words]
        self._words = self._open[0].spoken.words if self._open else ()
        spans = {item.spoken.span for item in self._open}
        self._vectors = {span: self._vectors[span] for span in spans if span in self._vectors}
        self._heard = None

    def _join(self, names: Joined) -> list[LiveEvent]:
        """Merge two speakers."""
        self._open = [
            replace(item, spoken=replace(item.spoken, speaker=names.new))
            if item.spoken.speaker == names.old
            else item
            for item in self._open
        ]
        return self._results.join_speakers(names)


def _is_similar(reported: _Reported, spoken: SpokenUtterance) -> bool:
    return reported.spoken.is_like(spoken)


def _final_words(spoken: SpokenUtterance) -> WordsHeard:
    return WordsHeard(
        start=spoken.start,
        end=spoken.end,
        text=spoken.text,
        words=describe_words(spoken.words),
        final=True,
    )
