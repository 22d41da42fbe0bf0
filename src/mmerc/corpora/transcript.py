"""Plain transcripts, ``Speaker: text`` a line, for prediction."""

from __future__ import annotations

from pathlib import Path

from mmerc.conversation import Conversation, Utterance
from mmerc.errors import InputError
from mmerc.files import read_text

LONGEST_SPEAKER = 60


def read_transcript(file: Path) -> tuple[Conversation, ...]:
    """Read conversations ``STEM-1``, ``STEM-2``, ..., with utterances ``1``, ``2``, ....

    Empty lines separate conversations and lines that begin with ``#`` are comments. InputError
    for a line without a speaker or without words, and for a file without any line.
    """
    groups: list[list[tuple[str, str]]] = [[]]
    # Only line feeds end a line: str.splitlines would also cut at rarer separators inside a text.
    for number, line in enumerate(read_text(file).split("\n"), start=1):
        if not line.strip():
            groups.append([])
        elif not line.startswith("#"):
            groups[-1].append(read_line(f"{file}, line {number}", line))
    spoken = [group for group in groups if group]
    if not spoken:
        raise InputError(file, "it holds no utterance", "write lines of the form Speaker: text")
    return tuple(
        Conversation(id=f"{file.stem}-{number}", utterances=utterances_of(group))
        for number, group in enumerate(spoken, start=1)
    )


def read_line(where: str, line: str) -> tuple[str, str]:
    """Speaker and text of one line."""
    speaker, colon, text = (part.strip() for part in line.partition(":"))
    fix = "write Speaker: text, or begin a comment with #"
    if not colon or not speaker or len(speaker) > LONGEST_SPEAKER:
        problem = f"no speaker of at most {LONGEST_SPEAKER} characters before a colon"
        raise InputError(where, problem, fix)
    if not text:
        raise InputError(where, f"{speaker!r} says nothing", fix)
    return speaker, text


def utterances_of(group: list[tuple[str, str]]) -> tuple[Utterance, ...]:
    """Utterances of one conversation, numbered from 1."""
    return tuple(
        Utterance(id=str(number), speaker=speaker, text=text)
        for number, (speaker, text) in enumerate(group, start=1)
    )
