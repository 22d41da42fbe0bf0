"""Recognise speaker names at the start of text: ``[SPEAKER_00]: Hello``, ``Mara: Hello``.

Subtitle files do not distinguish names from sentences with a colon. The form of the label decides
or, if that is not enough, the starts of the file's other cues (docs/formats.md).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

_Shape = Literal["sure", "likely", "possible"]

_LONGEST_NAME = 100
_MOST_NAME_WORDS = 8
_NEARLY_ALL, _HALF = 0.9, 0.5  # share of a file's cues
_FEWEST_CUES = 3

_SPEAKER = (
    r"(?:speaker|spkr?|person|participant|guest|voice)(?:[\s_:#-]*(?:\d{1,9}|\?)|[\s_:#-]+[A-Za-z])"
)
_BRACKETED = re.compile(rf"[\[(]\s*({_SPEAKER})\s*[\])]\s*[:：]?\s*", re.IGNORECASE)
_BRACKETED_COLON = re.compile(
    rf"(?:\[([^\[\]]{{1,{_LONGEST_NAME}}})\]|\(([^()]{{1,{_LONGEST_NAME}}})\))\s*[:：]\s*"
)
_NUMBERED = re.compile(r"((?:SPEAKER|SPKR?)_\d{1,9})\b\s*[:：]?\s*", re.IGNORECASE)
_LABEL = re.compile(rf"([^\s:：\[({{<][^:：{{}}<>]{{0,{_LONGEST_NAME}}}?)\s*(?::(?=\s|$)|：)\s*")
_IN_BRACKETS = re.compile(r"[\[(]([^\[\]()]{1,100})[\])]\s*(?=\S)")
_SENTENCE_END = re.compile(
    rf"(?<=[.?!…\"”])\s+(?=([^\s:：?!][^:：?!]{{0,{_LONGEST_NAME}}}?)\s*[:：](?:\s|$))"
)
_ASIDE = re.compile(r"\([^()]*\)|\[[^\[\]]*\]")  # Maria (she/her)
_NO_NAME = re.compile(r"[?!;…\"“”]")
_PHONE = re.compile(r"\+?[\d*][\d*().\s-]{6,}")  # a participant by telephone


def _split_words(text: str) -> frozenset[str]:
    """Return the set of words of a text."""
    return frozenset(text.split())


_ABBREVIATIONS = _split_words(
    "prof dr mr mrs ms mx jr sr st rev sgt lt col gen capt hon sen rep gov fr dipl ing mag mme "
    "mlle sra srta inc ltd co"
)
_PARTICLES = _split_words(
    "van von de der den del della di da do dos das du la le el al bin ibn bint ben ter ten te zu "
    "zur af av y e i und and of the"
)
_NO_FIRST_WORD = _split_words(
    "i you he she it we they this that these those there here and but or so if because then my "
    "your his her our their what who why how when where is are was were in on at to for with from "
    "as not no yes"
)
_SOUNDS = _split_words(
    "music musik applause laughter laughs laugh cheers sigh sighs cough coughs silence inaudible "
    "crosstalk noise beep gasp gasps scream screams sob sobs cries chuckle chuckles whisper "
    "whispers sniff sniffs groan groans grunts door phone indistinct unintelligible pause "
    "blank_audio"
)


@dataclass(frozen=True, slots=True)
class Label:
    """A label: the speaker's name ("" for ``(speaker ?)``), the following text, its certainty."""

    speaker: str
    words: str
    shape: _Shape


def find_label(text: str) -> Label | None:
    """Find the label at the start of a line, if any.

    sure: ``[SPEAKER_00]:``, ``[Mara]:``, ``(speaker 0)``, ``SPEAKER_00``. likely: ``Name:`` of at
    most eight words, each capitalised (or in a script without case) except particles (van, de) and
    text in brackets (``Maria (she/her)``). possible: any other text of at most eight words, such as
    ``sam's iPhone:``.
    """
    for pattern in (_BRACKETED, _BRACKETED_COLON, _NUMBERED):
        match = pattern.match(text)
        if match:
            name = " ".join(next(filter(None, match.groups())).split())
            return Label("" if name.endswith("?") else name, text[match.end() :].strip(), "sure")
    match = _LABEL.match(text)
    shape = name_shape(match[1]) if match else None
    if match is None or shape is None:
        return None
    return Label(" ".join(match[1].split()), text[match.end() :].strip(), shape)


def name_shape(name: str) -> _Shape | None:
    """Return the shape of words before a colon if they look like a name."""
    bare = _ASIDE.sub("", name)
    words = [word for word in bare.split() if any(map(str.isalnum, word))]
    if _PHONE.fullmatch(name):
        return "likely"
    if not 0 < len(words) <= _MOST_NAME_WORDS or _NO_NAME.search(bare):
        return None
    if not any(map(str.isalpha, bare)) or _ends_sentence(words):
        return None
    small = [word for word in words if word[0].islower() and word.lower() not in _PARTICLES]
    first = words[0].lower().rstrip(",")
    if first in _NO_FIRST_WORD and len(words) > 1:
        return "possible" if not small else None
    if small or "," in bare or all(word[0].islower() for word in words):
        return "possible"
    return "likely"


def _ends_sentence(words: Sequence[str]) -> bool:
    """Whether a word before the last ends with a full stop and is not a title or initial."""
    return any(
        word.endswith(".")
        and len(word) > 2
        and "." not in word[:-1]
        and word[:-1].lower() not in _ABBREVIATIONS
        for word in words[:-1]
    )


def name_in_brackets(text: str) -> Label | None:
    """Read ``[Mara] Hello``: a name or a described sound; None for the usual sounds."""
    match = _IN_BRACKETS.match(text)
    if match is None or name_shape(match[1]) != "likely":
        return None
    words = match[1].lower().split()
    if any(word.strip(".,") in _SOUNDS or word.endswith("ing") for word in words):
        return None
    return Label(" ".join(match[1].split()), text[match.end() :].strip(), "possible")


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeakerNames:
    """The names at the start of a file's cues, and which of them are trusted.

    ``doubtful`` names are trusted although they occur once in a file with few labels; ``rejected``
    ones may be names, but stay in the text.
    """

    trusted: frozenset[str] = frozenset()
    doubtful: frozenset[str] = frozenset()
    rejected: frozenset[str] = frozenset()

    @classmethod
    def choose(cls, beginnings: Iterable[str], cues: Sequence[str]) -> SpeakerNames:
        """Choose the trusted labels of a file, from all ``beginnings`` of speech.

        ``cues`` are the cues' first lines. **[decided]** A likely name is trusted. A possible name
        is trusted if it occurs twice and half of the cues have a label, or if nearly all of at
        least three cues have one.
        """
        labels = [label for label in map(find_label, beginnings) if label and label.speaker]
        counts = Counter(label.speaker for label in labels)
        shapes = {label.speaker: label.shape for label in labels}
        share = sum(find_label(text) is not None for text in cues) / max(len(cues), 1)
        nearly_all = share >= _NEARLY_ALL and len(cues) >= _FEWEST_CUES
        trusted = {
            name
            for name, shape in shapes.items()
            if shape != "possible" or nearly_all or (counts[name] > 1 and share >= _HALF)
        }
        doubtful = {name for name in trusted if counts[name] == 1 and shapes[name] == "likely"}
        return cls(
            trusted=frozenset(trusted),
            doubtful=frozenset(doubtful if share < _HALF else ()),
            rejected=frozenset(shapes.keys() - trusted),
        )

    def find(self, text: str, *, inside: bool = False) -> Label | None:
        """Find the trusted label at the start of a text.

        ``inside``: the text continues a speaker's line, so a likely name must be in capitals or
        start speech elsewhere.
        """
        label = find_label(text)
        if label is None:
            label = name_in_brackets(text)
            return label if label and label.speaker in self.trusted else None
        if label.shape == "sure" or (label.shape == "likely" and not inside):
            return label
        trusted = label.speaker in self.trusted
        return label if trusted or (label.shape == "likely" and label.speaker.isupper()) else None

    def split(self, text: str) -> list[str]:
        """Split a line at trusted names with a colon that follow the end of a sentence."""
        cuts = [
            match.end()
            for match in _SENTENCE_END.finditer(text)
            if " ".join(match[1].split()) in self.trusted
        ]
        bounds = [0, *cuts, len(text)]
        return [text[a:b].strip() for a, b in pairwise(bounds)]
