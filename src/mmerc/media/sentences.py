"""Segment timed words into utterances: one sentence of one speaker each.

[decided] An utterance ends at the end of a sentence, at a change of speaker, at a long pause, and
at a shorter pause after a comma. Otherwise a sentence with a pause is not split. A very short
sentence is joined to its neighbour ("Yes. I know." is one utterance). An overlong sentence is split
at its longest pause. Words without any sentence ends (CTM) are split at the shorter pause.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from mmerc.media.speaker_turns import UNKNOWN_SPEAKER, Turn

LONG_PAUSE = 2.0  # seconds; always ends an utterance
_COMMA_PAUSE = 0.7  # seconds; ends an utterance after a comma
_SHORT_SENTENCE = 1.0  # seconds; shorter sentences are joined to a neighbour
_JOINING_PAUSE = 0.5  # seconds; maximum pause between joined sentences
_LONGEST = 10.0  # seconds
_ENOUGH_WORDS = 20  # this many words without a sentence end: there is no punctuation
_NEAREST_TURN = 0.5  # seconds; maximum distance between a word and its turn
_ROUNDING = 1e-6  # seconds
_INTERRUPTION = 0.3  # seconds; shorter changes of speaker inside a sentence are ignored
_SENTENCE_ENDS, _CLAUSE_ENDS = tuple(".?!…。？！"), tuple(",;:–—、，；：")
_CLOSING = "\"'”’»)]"
_ABBREVIATIONS = {"mr.", "mrs.", "ms.", "dr.", "st.", "vs.", "prof.", "jr.", "sr.", "no."}


DOUBTFUL = 0.5
"""[decided] Words whose probability is below this are marked as doubtful (docs/analyze.md)."""

UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3000-\u30ff\u3400-\u9fff\uf900-\ufaff\uff00-\uffef]"
)
"""A character of a script without spaces between words (Thai, Lao, Khmer, Han, Kana ...)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """A recognised word; times in seconds, ``probability`` 0 to 1.

    ``speaker``: if the source of the words gives it.
    """

    text: str
    start: float
    end: float
    probability: float = 1.0
    speaker: str | None = None

    @property
    def is_doubtful(self) -> bool:
        """Whether its probability is below ``DOUBTFUL``; false for words without letters."""
        return self.probability < DOUBTFUL and any(map(str.isalnum, self.text))


@dataclass(frozen=True, slots=True, kw_only=True)
class Sentence:
    """The words of an utterance and their speaker."""

    speaker: str
    words: tuple[Word, ...]

    @property
    def start(self) -> float:
        return self.words[0].start

    @property
    def end(self) -> float:
        return max(word.end for word in self.words)

    @property
    def text(self) -> str:
        return _join_texts(word.text for word in self.words)

    @property
    def doubtful(self) -> tuple[tuple[int, int], ...]:
        """Text spans (start, end) of words less probable than ``DOUBTFUL``."""
        text, places, end = self.text, [], 0
        for word in self.words:
            start = text.index(word.text, end)
            end = start + len(word.text)
            if word.is_doubtful:
                places.append((start, end))
        return tuple(places)


def split_sentences(words: Sequence[Word], turns: Sequence[Turn] = ()) -> tuple[Sentence, ...]:
    """Split words, sorted by start, into sentences of one speaker.

    Every word is in exactly one sentence. Without ``turns``, speakers come from the words, if any.
    """
    ordered = sorted(words, key=lambda word: word.start)
    speakers = _remove_short_changes(_find_speakers(ordered, turns), ordered)
    spoken = list(zip(speakers, ordered, strict=True))
    punctuated = any(word.text.rstrip(_CLOSING).endswith(_SENTENCE_ENDS) for word in ordered)
    pause = LONG_PAUSE if punctuated or len(ordered) < _ENOUGH_WORDS else _COMMA_PAUSE
    sentences = [
        Sentence(speaker=speaker, words=tuple(part))
        for speaker, group in groupby(spoken, key=lambda item: item[0])
        for part in _cut_at_ends([word for _, word in group], pause)
    ]
    joined = _join_short(sentences)
    return tuple(piece for sentence in joined for piece in _split_long(sentence))


def _join_texts(texts: Iterable[str]) -> str:
    """Join words with spaces, except in scripts without spaces."""
    joined = ""
    for text in texts:
        close = not joined or (UNSPACED.match(joined[-1]) and UNSPACED.match(text))
        joined += text if close else f" {text}"
    return joined


def _find_speakers(words: Sequence[Word], turns: Sequence[Turn]) -> list[str | None]:
    """Find each word's speaker by largest overlap, else by the nearest turn; None if far."""
    if not turns:
        return [word.speaker for word in words]
    ordered = sorted(turns, key=lambda turn: turn.start)
    starts = np.array([turn.start for turn in ordered])
    ends = np.array([turn.end for turn in ordered])
    speakers: list[str | None] = []
    for word in words:
        overlaps = np.minimum(ends, word.end) - np.maximum(starts, word.start)  # negative: a gap
        most = overlaps.max()
        best = [ordered[number] for number in np.flatnonzero(overlaps >= most - _ROUNDING)]
        middle = (word.start + word.end) / 2
        speakers.append(_find_turn(best, middle).speaker if most >= -_NEAREST_TURN else None)
    return speakers


def _find_turn(turns: Sequence[Turn], time: float) -> Turn:
    """Choose between several turns, sorted by start, that overlap a word at ``time`` equally.

    [decided] If a turn overlaps the next one, the first half of the shared time belongs to the
    former and the second half to the latter. A turn inside another one gets no words, because
    a transcriber mostly recognises the continuing voice.
    """
    chosen = turns[0]
    for turn in turns[1:]:
        if turn.end > chosen.end and time > (turn.start + chosen.end) / 2:
            chosen = turn
    return chosen


def _remove_short_changes(speakers: Sequence[str | None], words: Sequence[Word]) -> list[str]:
    """Fill unknown speakers from neighbours and remove implausibly short changes."""
    filled: list[str] = []
    first = next((speaker for speaker in speakers if speaker is not None), UNKNOWN_SPEAKER)
    for speaker in speakers:
        filled.append(speaker or (filled[-1] if filled else first))
    start = 0
    while start < len(filled):
        end = start
        while end < len(filled) and filled[end] == filled[start]:
            end += 1
        inside = start > 0 and end < len(filled) and filled[start - 1] == filled[end]
        if inside and words[end - 1].end - words[start].start < _INTERRUPTION:
            filled[start:end] = [filled[end]] * (end - start)
        start = end
    return filled


def _cut_at_ends(words: Sequence[Word], long_pause: float) -> Iterator[list[Word]]:
    """Split the words of one speaker at sentence ends and pauses."""
    part: list[Word] = []
    for word, following in zip(words, [*words[1:], None], strict=True):
        part.append(word)
        if following is None or _ends_after(word, following, long_pause):
            yield part
            part = []


def _ends_after(word: Word, following: Word, long_pause: float) -> bool:
    """Whether an utterance ends between two words of one speaker."""
    pause = following.start - word.end
    text = word.text.rstrip(_CLOSING)
    if pause >= long_pause:
        return True
    if text.endswith(_SENTENCE_ENDS):
        return text.lower() not in _ABBREVIATIONS and not following.text[:1].islower()
    return text.endswith(_CLAUSE_ENDS) and pause >= _COMMA_PAUSE


def _join_short(sentences: Sequence[Sentence]) -> list[Sentence]:
    """Join very short sentences with a neighbour of the same speaker."""
    joined: list[Sentence] = []
    for sentence in sentences:
        before = joined[-1] if joined else None
        if (
            before is not None
            and before.speaker == sentence.speaker
            and sentence.start - before.end <= _JOINING_PAUSE
            and min(before.end - before.start, sentence.end - sentence.start) < _SHORT_SENTENCE
            and sentence.end - before.start <= _LONGEST
        ):
            words = (*before.words, *sentence.words)
            joined[-1] = Sentence(speaker=before.speaker, words=words)
        else:
            joined.append(sentence)
    return joined


def _split_long(sentence: Sentence) -> Iterator[Sentence]:
    """Split an overlong sentence at the longest pause near its middle, recursively."""
    words = sentence.words
    if sentence.end - sentence.start <= _LONGEST or len(words) < 2:
        yield sentence
        return
    middle = (sentence.start + sentence.end) / 2
    reach = (sentence.end - sentence.start) / 4

    def preference(cut: int) -> tuple[bool, bool, float]:
        near = abs(words[cut].start - middle) <= reach
        clause = words[cut - 1].text.rstrip(_CLOSING).endswith((*_SENTENCE_ENDS, *_CLAUSE_ENDS))
        return near, clause, words[cut].start - words[cut - 1].end

    cut = max(range(1, len(words)), key=preference)
    for part in (words[:cut], words[cut:]):
        yield from _split_long(Sentence(speaker=sentence.speaker, words=part))
