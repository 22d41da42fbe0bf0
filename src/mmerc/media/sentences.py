"""Words with times, cut into utterances: one sentence of one speaker each.

[decided] An utterance ends at the end of a sentence, where another speaker begins, at a long
pause, and at a shorter pause after a comma. A sentence with a pause inside stays whole. A very
short sentence joins its neighbour, as "Yes. I know." is one turn. What lasts too long is cut at
its longest pause. Words without any sentence ends (CTM) are cut at the shorter pause.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from mmerc.media.speaker_turns import UNKNOWN_SPEAKER, Turn

LONG_PAUSE = 2.0  # seconds: always ends an utterance
_COMMA_PAUSE = 0.7  # seconds: ends it after a comma
_SHORT_SENTENCE = 1.0  # seconds: joins its neighbour
_JOINING_PAUSE = 0.5  # seconds: the most between two sentences that are joined
_LONGEST = 10.0  # seconds
_ENOUGH_WORDS = 20  # without a sentence end among them, the words have no punctuation
_NEAREST_TURN = 0.5  # seconds between a word and the turn it is assigned to
_INTERRUPTION = 0.3  # seconds: a shorter change of speaker inside a sentence is not believed
_SENTENCE_ENDS, _CLAUSE_ENDS = tuple(".?!…。？！"), tuple(",;:–—、，；：")
_CLOSING = "\"'”’»)]"
_ABBREVIATIONS = {"mr.", "mrs.", "ms.", "dr.", "st.", "vs.", "prof.", "jr.", "sr.", "no."}


DOUBTFUL = 0.5
"""[decided] Words whose probability is below this are marked as doubtful (docs/analyze.md)."""

UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3000-\u30ff\u3400-\u9fff\uf900-\ufaff\uff00-\uffef]"
)
"""A character of a script that writes no spaces between words (Thai, Lao, Khmer, Han, Kana ...)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """One recognised word; times in seconds, ``probability`` 0 to 1.

    ``speaker``: who says it, where the words come with that.
    """

    text: str
    start: float
    end: float
    probability: float = 1.0
    speaker: str | None = None

    @property
    def is_doubtful(self) -> bool:
        """Whether its probability is below ``DOUBTFUL``; what has no letter never is."""
        return self.probability < DOUBTFUL and any(map(str.isalnum, self.text))


@dataclass(frozen=True, slots=True, kw_only=True)
class Sentence:
    """The words of one utterance and who speaks them."""

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
        """Places (start, end) in the text of words less probable than ``DOUBTFUL``."""
        text, places, end = self.text, [], 0
        for word in self.words:
            start = text.index(word.text, end)
            end = start + len(word.text)
            if word.is_doubtful:
                places.append((start, end))
        return tuple(places)


def split_sentences(words: Sequence[Word], turns: Sequence[Turn] = ()) -> tuple[Sentence, ...]:
    """Cut words, ordered by start, into sentences of one speaker; every word is in exactly one.

    Without ``turns`` the speakers are those of the words; where no word has one, they are unknown.
    """
    ordered = sorted(words, key=lambda word: word.start)
    speakers = _believable(_find_speakers(ordered, turns), ordered)
    spoken = list(zip(speakers, ordered, strict=True))
    punctuated = any(word.text.rstrip(_CLOSING).endswith(_SENTENCE_ENDS) for word in ordered)
    pause = LONG_PAUSE if punctuated or len(ordered) < _ENOUGH_WORDS else _COMMA_PAUSE
    sentences = [
        Sentence(speaker=speaker, words=tuple(part))
        for speaker, group in groupby(spoken, key=lambda item: item[0])
        for part in _cut_at_ends([word for _, word in group], pause)
    ]
    joined = _join_short(sentences)
    return tuple(piece for sentence in joined for piece in _cut_long(sentence))


def _join_texts(texts: Iterable[str]) -> str:
    """Words with spaces between them, but for scripts that write none."""
    joined = ""
    for text in texts:
        close = not joined or (UNSPACED.match(joined[-1]) and UNSPACED.match(text))
        joined += text if close else f" {text}"
    return joined


def _find_speakers(words: Sequence[Word], turns: Sequence[Turn]) -> list[str | None]:
    """Find whose turn covers most of each word, else the nearest turn's; None if that is far."""
    if not turns:
        return [word.speaker for word in words]
    starts = np.array([turn.start for turn in turns])
    ends = np.array([turn.end for turn in turns])
    speakers: list[str | None] = []
    for word in words:
        overlaps = np.minimum(ends, word.end) - np.maximum(starts, word.start)  # below 0: a gap
        best = int(overlaps.argmax())
        speakers.append(turns[best].speaker if overlaps[best] >= -_NEAREST_TURN else None)
    return speakers


def _believable(speakers: Sequence[str | None], words: Sequence[Word]) -> list[str]:
    """Fill unknown speakers from their neighbours and drop changes too short to be real."""
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
    """Cut the words of one speaker at sentence ends and pauses."""
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
    """Join a very short sentence with the one before or after it, if the same speaker goes on."""
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


def _cut_long(sentence: Sentence) -> Iterator[Sentence]:
    """Cut a sentence that lasts too long at the longest pause near its middle, again if needed."""
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
        yield from _cut_long(Sentence(speaker=sentence.speaker, words=part))
