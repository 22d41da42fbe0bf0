"""Split a cue by speakers: dashes, ``>>``, speaker turns of whisper.cpp, and names."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from mmerc.media.rolling_captions import CueLines
from mmerc.media.speaker_labels import SpeakerNames

_Mark = Literal["", "dash", "change"]

_DASH = re.compile(r"[-‐–—](?![-‐–—\d])")
_INNER_DASH = re.compile(r"(?<=[.?!…\"”])\s+[-‐–—]\s*(?=[^\s\d-])")  # "- Yes. - No."
CHANGE = re.compile(r"\s*(?:>{2,}|\[_?SPEAKER[_ ]TURN\]|<\|speaker_?turn\|>)\s*", re.IGNORECASE)
_SENTENCE_ENDS = (".", "?", "!", "…", '"', "”", "]", ")", "♪")


@dataclass(frozen=True, slots=True)
class CuePart:
    """One speaker's words in a cue; ``speaker`` is "" if unnamed.

    ``changes``: a mark indicates a change of speaker.
    """

    speaker: str
    text: str
    changes: bool


@dataclass(slots=True)
class _Draft:
    """A part while its lines are collected."""

    speaker: str
    changes: bool
    lines: list[str] = field(default_factory=list)


def _marked_lines(lines: Sequence[str]) -> Iterator[tuple[_Mark, str]]:
    """Yield lines without speaker marks, split at marks inside a line.

    **[decided]** ``>>`` before a lower-case word, after a line without sentence end, only repeats
    the mark of the continuing sentence.
    """
    before = ""
    for line in lines:
        first, *rest = CHANGE.split(line)
        pieces: list[tuple[_Mark, str]] = []
        if _DASH.match(first):
            dashed = _INNER_DASH.split(first[1:].strip())
            pieces += [("dash", piece) for piece in dashed]
        elif first:
            pieces.append(("", first))
        pieces += [("change", piece) for piece in rest]
        for mark, piece in pieces:
            continues = mark == "change" and piece[:1].islower() and before != ""
            yield ("" if continues and not before.endswith(_SENTENCE_ENDS) else mark), piece
            before = piece


def split_turns(cue: CueLines, names: SpeakerNames) -> list[CuePart]:
    """Split a cue into parts with text, including described sounds.

    A label gives the speaker if the format does not. On a continuation line it only counts if the
    first line has one too, or if the name is certain.
    """
    drafts: list[_Draft] = []
    labelled = False
    for mark, line in _marked_lines(cue.lines):
        for position, piece in enumerate([line] if cue.voice else names.split(line)):
            inside = bool(drafts) and not mark and not labelled and position == 0
            label = None if cue.voice else names.find(piece, inside=inside)
            labelled = labelled or label is not None
            if not drafts or label is not None or (mark and position == 0):
                speaker = cue.voice if label is None else label.speaker
                drafts.append(_Draft(speaker, bool(mark) or label is not None))
            drafts[-1].lines.append(piece if label is None else label.words)
    parts = (
        CuePart(draft.speaker, " ".join(filter(None, draft.lines)), draft.changes)
        for draft in drafts
    )
    return [part for part in parts if part.text]


def beginnings(cue: CueLines) -> list[tuple[_Mark, str]]:
    """Return the starts of speech in a cue, where labels may be, with their marks."""
    marked = enumerate(_marked_lines(cue.lines))
    return [(mark, line) for position, (mark, line) in marked if mark or position == 0]
