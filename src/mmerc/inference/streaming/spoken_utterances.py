"""Utterances of a span of speech, before prediction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mmerc.media.sentences import Sentence, Word, split_sentences
from mmerc.media.speaker_turns import UNKNOWN_SPEAKER, Turn
from mmerc.media.voice_activity import Span

_SAME_TIME = 0.1  # seconds; smaller differences do not count as a change


@dataclass(frozen=True, slots=True, kw_only=True)
class SpokenUtterance:
    """An utterance of one speaker; ``words`` is empty if none was recognised.

    ``doubtful``: text spans (start, end) of words that may be wrong.
    """

    speaker: str
    text: str
    start: float
    end: float
    words: tuple[Word, ...] = ()
    doubtful: tuple[tuple[int, int], ...] = ()

    def is_like(self, other: SpokenUtterance) -> bool:
        """Whether the difference is too small for a correction."""
        near = max(abs(self.start - other.start), abs(self.end - other.end)) <= _SAME_TIME
        return near and (self.speaker, self.text) == (other.speaker, other.text)

    @property
    def span(self) -> Span:
        return Span(self.start, self.end)


def split_words(
    words: Sequence[Word], turns: Sequence[Turn], *, usual_speaker: str
) -> list[SpokenUtterance]:
    """Split words into sentences of one speaker; ``usual_speaker`` if no turn is near."""
    return [_as_utterance(sentence, usual_speaker) for sentence in split_sentences(words, turns)]


def without_words(span: Span, turns: Sequence[Turn], *, usual_speaker: str) -> SpokenUtterance:
    """Return speech without recognised words, assigned to the main speaker."""
    seconds: dict[str, float] = {}
    for turn in turns:
        shared = min(turn.end, span.end) - max(turn.start, span.start)
        seconds[turn.speaker] = seconds.get(turn.speaker, 0.0) + max(shared, 0.0)
    speaker = max(seconds, key=seconds.__getitem__, default=usual_speaker)
    return SpokenUtterance(
        speaker=speaker if seconds.get(speaker) else usual_speaker,
        text="",
        start=span.start,
        end=span.end,
    )


def _as_utterance(sentence: Sentence, usual_speaker: str) -> SpokenUtterance:
    unknown = sentence.speaker == UNKNOWN_SPEAKER
    return SpokenUtterance(
        speaker=usual_speaker if unknown else sentence.speaker,
        text=sentence.text,
        start=sentence.start,
        end=sentence.end,
        words=sentence.words,
        doubtful=sentence.doubtful,
    )
