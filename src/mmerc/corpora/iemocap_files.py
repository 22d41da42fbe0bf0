"""Read the two annotation files of an IEMOCAP dialog: transcript and evaluation.

``dialog/transcriptions/NAME.txt``: ``Ses01F_impro01_F000 [006.2901-008.2357]: Excuse me.``
``dialog/EmoEvaluation/NAME.txt``: ``[6.2901 - 8.2357]``, the id, the label and three ratings,
separated by tabs, followed by one line per rater.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from mmerc.errors import InputError
from mmerc.files import read_text

_DIALOG = re.compile(r"Ses0(\d)[FM]_\w+", re.ASCII)
_TRANSCRIBED = re.compile(r"(\S+)\s+\[(\d+\.\d+)-(\d+\.\d+)\]:(.*)", re.ASCII)
_RATED = re.compile(r"\[(\d+\.\d+) - (\d+\.\d+)\]\t(\S+)\t(\S+)\t\[.*\]", re.ASCII)
_UNRATED = re.compile(r"\w+_[FM]XX\d+", re.ASCII)
_EMOTIONS = frozenset(
    {"neu", "hap", "sad", "ang", "exc", "fru", "fea", "sur", "dis", "oth", "xxx"}
)  # xxx: the raters did not agree
_FIX = "use the file as it was published"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rated:
    """An utterance of an evaluation file: times in the dialog in seconds, and label."""

    id: str
    start: float
    end: float
    emotion: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialog:
    """A dialog: session, rated utterances sorted by start, and words by id."""

    name: str
    session: int
    rated: tuple[Rated, ...]
    words: Mapping[str, str]


def read_session(directory: Path, session: int) -> Iterator[Dialog]:
    """Yield the dialogs of a session, by name; InputError if one of the files is missing."""
    folder = directory / f"Session{session}" / "dialog"
    names = {
        file.stem: file
        for kind in ("transcriptions", "EmoEvaluation")
        for file in (folder / kind).glob("Ses*.txt")
    }
    if not names:
        fix = "give the folder IEMOCAP_full_release with all five sessions"
        raise InputError(folder, "it contains no annotation", fix)
    for name, file in sorted(names.items()):
        match = _DIALOG.fullmatch(name)
        if match is None or int(match[1]) != session:
            raise InputError(file, f"not the name of a dialog of session {session}", _FIX)
        yield Dialog(
            name=name,
            session=session,
            rated=_read_evaluation(folder / "EmoEvaluation" / f"{name}.txt"),
            words=_read_words(folder / "transcriptions" / f"{name}.txt"),
        )


def _read_words(file: Path) -> dict[str, str]:
    """Read the words of each utterance of a transcript.

    Lines without id, such as ``M: [BREATHING]``, and unrated utterances (``..._MXX0``) are skipped.
    InputError, with the line, for missing times.
    """
    words: dict[str, str] = {}
    for number, line in _read_lines(file):
        id_ = re.split(r"[\s:]", line, maxsplit=1)[0]
        if not id_.startswith("Ses") or _UNRATED.fullmatch(id_):
            continue
        where = f"{file}, line {number}"
        match = _TRANSCRIBED.fullmatch(line)
        if match is None:
            raise InputError(where, f"{id_[:40]!r} without times", f"{_FIX} (ID [START-END]: text)")
        _check_id(where, match[1], file, words)
        _check_span(where, match[2], match[3])
        words[match[1]] = match[4].strip()
    return words


def _read_evaluation(file: Path) -> tuple[Rated, ...]:
    """Read the rated utterances of an evaluation, sorted by start; skip single raters' lines."""
    rated: dict[str, Rated] = {}
    for number, line in _read_lines(file):
        if not line.startswith("["):
            continue
        where = f"{file}, line {number}"
        match = _RATED.fullmatch(line)
        if match is None:
            fix = f"{_FIX} ([START - END], the id, its label and three ratings, separated by tabs)"
            raise InputError(where, "not a rated utterance", fix)
        _check_id(where, match[3], file, rated)
        start, end = _check_span(where, match[1], match[2])
        if match[4] not in _EMOTIONS:
            fix = f"use one of {', '.join(sorted(_EMOTIONS))}"
            raise InputError(where, f"unknown label {match[4][:40]!r}", fix)
        rated[match[3]] = Rated(id=match[3], start=start, end=end, emotion=match[4])
    if not rated:
        raise InputError(file, "it contains no rated utterance", _FIX)
    return tuple(sorted(rated.values(), key=lambda item: (item.start, item.id)))


def _read_lines(file: Path) -> Iterator[tuple[int, str]]:
    """Yield numbered lines without surrounding spaces."""
    for number, line in enumerate(read_text(file).split("\n"), start=1):
        yield number, line.strip()


def _check_id(where: str, id_: str, file: Path, before: Mapping[str, object]) -> None:
    """Refuse an id that is malformed, repeated, or from another dialog."""
    if not re.fullmatch(rf"{re.escape(file.stem)}_[FM]\d+", id_, re.ASCII):
        raise InputError(where, f"{id_[:40]!r} is not an utterance of this dialog", _FIX)
    if id_ in before:
        problem = f"{id_!r} occurs twice"
        raise InputError(where, problem, "give every utterance one line")


def _check_span(where: str, start: str, end: str) -> tuple[float, float]:
    """Parse start and end in seconds; checks their order."""
    if float(end) <= float(start):
        problem = f"it ends at {end} s, not after its start at {start} s"
        raise InputError(where, problem, "fix the times")
    return float(start), float(end)
