"""What is said in one subtitle cue, and by whom.

Every pattern here stops at the next bracket of its own kind, so that a hostile cue is read in a
time that grows with its length alone.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass

from mmerc.media.speaker_turns import UNKNOWN_SPEAKER

LONGEST_NAME = 40
MOST_NAME_WORDS = 4
VOICE = re.compile(r"<v(?:\.[^\s<>]*)?\s([^<>]*)>")  # WebVTT: <v Ann>, <v.loud Ann>
MARKUP = re.compile(r"</?[a-zA-Z][^<>]*>|\{[^{}]*\}")
DRAWING = re.compile(r"\{[^{}]*\\p[1-9]")  # ASS: what follows is a shape
LINE_BREAK = re.compile(r"\\[Nn]|\n")
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
DASH = re.compile(r"[-‐–—](?![-‐–—\d])")
LABEL = re.compile(rf"([^:\[\](){{}}]{{1,{LONGEST_NAME}}}):(?=\s|$)")
SOUND = re.compile(r"\[[^\[\]]*\]|\([^()]*\)|[♩♪♫♬][^♩♪♫♬]*[♩♪♫♬]?")


@dataclass(frozen=True, slots=True)
class Said:
    """One speaker's words in one cue."""

    speaker: str
    text: str


def said_in(text: str, *, name: str = "") -> list[Said]:
    """Who says what in a cue's raw text; ``name`` is the speaker that the format itself gives.

    Empty for a cue of no words: blank, a drawing, or nothing but music and described sounds.
    """
    if DRAWING.search(text):
        return []
    first, *voices = VOICE.split(text)
    pieces = [(name, first), *zip(voices[::2], voices[1::2], strict=True)]
    return [said for voice, piece in pieces for said in said_by(squeezed(voice), piece)]


def said_by(voice: str, text: str) -> Iterator[Said]:
    """Utterances of the lines of one voice; without a voice each may name its own speaker."""
    for turn in turns_of(list(plain_lines(text)), named=bool(voice)):
        label, words = ("", turn) if voice else labelled(turn)
        speaker = voice or label
        if words and not only_sounds(words):
            known = 0 < len(speaker) <= LONGEST_NAME
            yield Said(speaker if known else UNKNOWN_SPEAKER, words)


def plain_lines(text: str) -> Iterator[str]:
    """Lines without markup, character references resolved, single spaces between words."""
    for line in LINE_BREAK.split(text):
        bare = MARKUP.sub("", line).replace(r"\h", " ")
        yield squeezed(resolved(bare))


def resolved(text: str) -> str:
    """Text with ``&amp;`` and its like resolved, or as it stands where a number is beyond all."""
    try:
        return html.unescape(text)
    except ValueError:
        return text


def squeezed(text: str) -> str:
    """Text with single spaces, and no control characters that a terminal might obey."""
    return " ".join(CONTROL.sub(" ", text).split())


def turns_of(lines: list[str], *, named: bool) -> list[str]:
    """Lines joined by speaker: a dash begins a turn and is cut off, and so does ``Name:``.

    ``Name:`` counts only where the first line has one as well, and the speaker is not ``named``.
    """
    labels = not named and bool(labelled(lines[0])[0])
    turns: list[list[str]] = [[]]
    for line in lines:
        dashed = DASH.match(line)
        if dashed or (labels and labelled(line)[0]):
            turns.append([])
        turns[-1].append(line[1:].strip() if dashed else line)
    return [" ".join(part for part in turn if part) for turn in turns]


def labelled(text: str) -> tuple[str, str]:
    """Speaker and words of ``Name: text``, or no speaker and the text.

    **[decided]** A name has a letter, at most four words and 40 characters, and no word of it
    begins with a lower-case letter; so "I said this: no" names nobody.
    """
    match = LABEL.match(text)
    words = match[1].split() if match else []
    is_name = (
        0 < len(words) <= MOST_NAME_WORDS
        and any(map(str.isalpha, "".join(words)))
        and not any(word[0].islower() for word in words)
    )
    if match is None or not is_name:
        return "", text
    return " ".join(words), text[match.end() :].strip()


def only_sounds(text: str) -> bool:
    """Whether music and described sounds are all that there is."""
    rest = SOUND.sub("", text)
    return rest != text and not any(map(str.isalnum, rest))
