"""Subtitles as utterances: SRT, WebVTT and ASS/SSA, their times, their words and their speakers.

pysubs2 reads the cues. What it would take for words (WebVTT's comments, styles and names of cues)
or read at length for nothing (ASS's fonts, pictures and styles) is taken out before, so that only
lines of dialogue ever reach it and nothing that a file names is looked up.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

from pysubs2 import SSAEvent, SSAFile
from pysubs2.exceptions import Pysubs2Error

from mmerc.conversation import Utterance
from mmerc.errors import InputError
from mmerc.media.cue_text import Said, said_in
from mmerc.media.text_files import read_small_text

FORMATS = {".srt": "srt", ".vtt": "vtt", ".ass": "ass", ".ssa": "ssa"}
MOST_CUES = 100_000
LONGEST_CUE = 10_000  # characters with markup; a spoken line has some dozens
MENDED_MILLISECONDS = 2000
INLINE_TIME = re.compile(r"<\d[\d:.]*>")  # when a word appears; two would pass for a cue's times
Timed = tuple[int, int, Said]  # start and end in milliseconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Subtitles:
    """The utterances of a subtitle file, and what is doubtful about how they were read."""

    utterances: tuple[Utterance, ...]
    remarks: tuple[str, ...] = ()


def read_subtitles(path: str | Path) -> Subtitles:
    """Utterances ``1``, ``2``, ... of a subtitle file, sorted by start, times in seconds.

    The format is that of the suffix, or of the content where the suffix says nothing or no cue is
    found in that format. Markup goes, line breaks become spaces; cues of nothing but music or
    described sounds, empty ones, comments and drawings are left out. The speaker is ``<v Name>``,
    ASS's name field or ``Name: text``, else "unknown". A cue of more than one speaker (``- first``,
    ``- second``) is shared out by the length of what they say. Overlapping cues stay; a cue that
    goes on where the same speaker ends the very same text is joined to it (rolling captions).
    **[decided]** A cue that does not end after its start lasts two seconds.

    InputError for a file without a cue, of more than 100,000 cues or 16 MB, with a cue of more than
    10,000 characters, or that is neither UTF-8 nor UTF-16 with a byte-order mark.
    """
    path = Path(path)
    text = read_small_text(path)
    for kind in formats_of(path, text):
        events = read_events(path, text, kind)
        if events:
            return Subtitles(utterances=utterances_of(joined(shared_out(path, events))))
    problem = "no cue of SRT, WebVTT or ASS/SSA subtitles was found"
    raise InputError(path, problem, "check that it is a subtitle file, or convert it")


def formats_of(path: Path, text: str) -> tuple[str, ...]:
    """Formats to try: WebVTT says what it is; else the suffix, then what the content looks like."""
    if text.lstrip().startswith("WEBVTT"):
        return ("vtt",)
    likely = "ass" if "Dialogue:" in text else "srt"
    return tuple(dict.fromkeys((FORMATS.get(path.suffix.lower(), likely), likely)))


def read_events(path: Path, text: str, kind: str) -> list[SSAEvent]:
    """pysubs2's events of one format with their markup as it stands; none where there is none."""
    marker, prepared = READERS[kind]
    check_count(path, text.count(marker))
    if marker not in text:
        return []
    try:
        with warnings.catch_warnings():  # margins and layers that it cannot read; nobody uses them
            warnings.simplefilter("ignore", RuntimeWarning)
            file = SSAFile.from_string(prepared(text), format_=kind, keep_html_tags=True)
    except (Pysubs2Error, ValueError) as error:
        problem = f"a cue cannot be read ({str(error)[:80]})"
        raise InputError(path, problem, "fix its times, or save the subtitles again") from error
    check_count(path, len(file.events))
    return file.events


def check_count(path: Path, count: int) -> None:
    """Refuse what nobody could watch."""
    if count > MOST_CUES:
        problem = f"more than {MOST_CUES:,} cues"
        raise InputError(path, problem, "check that it is a subtitle file, or cut it into parts")


def numbered_cues(text: str) -> str:
    """SRT with single empty lines, and a number after the last cue as before every other.

    pysubs2 takes the number before a cue for the end of the one before it, and cuts it off there.
    """
    lines = "\n".join(line.rstrip() for line in INLINE_TIME.sub("", text).split("\n"))
    return re.sub(r"\n{3,}", "\n\n", lines).rstrip() + "\n\n0\n"


def webvtt_cues(text: str) -> str:
    """The cues of WebVTT alone, numbered; whatever has no times is no cue."""
    cues: list[str] = []
    for block in re.split(r"\n{2,}", INLINE_TIME.sub("", text)):
        lines = [line for line in block.split("\n") if line.strip()]
        timed = next((i for i, line in enumerate(lines) if "-->" in line), None)
        if timed is not None:
            cues.append("\n".join((str(len(cues)), *lines[timed:])))
    return numbered_cues("\n\n".join(cues))


def dialogue_lines(text: str) -> str:
    """The lines of dialogue of ASS or SSA alone."""
    lines = (line.strip() for line in text.split("\n"))
    return "\n".join(line for line in lines if line.startswith("Dialogue:"))


READERS: Mapping[str, tuple[str, Callable[[str], str]]] = {
    "srt": ("-->", numbered_cues),
    "vtt": ("-->", webvtt_cues),
    "ass": ("Dialogue:", dialogue_lines),
    "ssa": ("Dialogue:", dialogue_lines),
}
"""What every cue holds, and what takes out the rest."""


def shared_out(path: Path, events: Iterable[SSAEvent]) -> Iterator[Timed]:
    """What each speaker says, with a share of the cue's time as long as their share of its text."""
    for event in events:
        if len(event.text) > LONGEST_CUE:
            problem = f"the cue at {event.start / 1000:.3f} s has {len(event.text):,} characters"
            raise InputError(path, problem, "check that it is a subtitle file, or cut the cue")
        start = max(event.start, 0)
        length = event.end - start if event.end > start else MENDED_MILLISECONDS
        spoken = said_in(event.text, name=event.name)
        ends = list(accumulate(len(said.text) for said in spoken))
        for said, end in zip(spoken, ends, strict=True):
            begin = end - len(said.text)
            yield (start + length * begin // ends[-1], start + length * end // ends[-1], said)


def joined(spoken: Iterable[Timed]) -> list[Timed]:
    """Cues without those that only repeat the one before them while it lasts."""
    kept: list[Timed] = []
    for start, end, said in sorted(spoken, key=lambda timed: timed[0]):
        if kept and kept[-1][2] == said and start <= kept[-1][1]:
            kept[-1] = (kept[-1][0], max(kept[-1][1], end), said)
        else:
            kept.append((start, end, said))
    return kept


def utterances_of(spoken: Iterable[Timed]) -> tuple[Utterance, ...]:
    """Numbered utterances with times in seconds."""
    return tuple(
        Utterance(
            id=str(number), speaker=said.speaker, text=said.text, start=start / 1000, end=end / 1000
        )
        for number, (start, end, said) in enumerate(spoken, start=1)
    )
