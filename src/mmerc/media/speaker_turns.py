"""Who speaks when: turns of an RTTM file, and the utterances that they belong to."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from mmerc.conversation import Utterance
from mmerc.errors import InputError
from mmerc.media.text_files import read_small_text

UNKNOWN_SPEAKER = "unknown"
FEWEST_FIELDS = 8  # kind, recording, channel, start, duration, two unused, speaker
MEND = "write SPEAKER RECORDING 1 START DURATION <NA> <NA> NAME <NA> <NA>"


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One speaker speaks from ``start`` to ``end``, in seconds."""

    speaker: str
    start: float
    end: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeakerTurns:
    """The turns of an RTTM file, and what is doubtful about how they were read."""

    turns: tuple[Turn, ...]
    remarks: tuple[str, ...] = ()


def read_rttm(path: str | Path) -> SpeakerTurns:
    """Read the ``SPEAKER`` lines of an RTTM file, sorted by start (NIST RT-09 evaluation plan).

    Other kinds of lines, comments (``;;``) and empty lines are left out. InputError with the line
    for a line that is truncated, a time that is none, a duration that is not above zero, and turns
    of a second recording; with the file where it holds no turn.
    """
    path = Path(path)
    turns = []
    recordings: set[str] = set()
    for number, fields in speaker_lines(path):
        where = f"{path}, line {number}"
        turns.append(read_turn(where, fields))
        recordings.add(fields[1])
        if len(recordings) > 1:
            problem = f"turns of two recordings ({', '.join(sorted(recordings))})"
            raise InputError(where, problem, "keep the turns of one recording in a file")
    if not turns:
        raise InputError(path, "it holds no speaker turn", MEND)
    return SpeakerTurns(turns=tuple(sorted(turns, key=lambda turn: turn.start)))


def speaker_lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Number and fields of the lines that tell who speaks."""
    for number, line in enumerate(read_small_text(path).split("\n"), start=1):
        fields = line.split()
        if fields and fields[0] == "SPEAKER":
            yield number, fields


def read_turn(where: str, fields: list[str]) -> Turn:
    """The turn of one line."""
    if len(fields) < FEWEST_FIELDS:
        raise InputError(where, f"{len(fields)} fields where {FEWEST_FIELDS} are needed", MEND)
    start, duration = (read_seconds(where, fields[position]) for position in (3, 4))
    if duration == 0:
        raise InputError(where, "a turn that lasts no time", "fix its duration or leave it out")
    return Turn(speaker=fields[7], start=start, end=start + duration)


def read_seconds(where: str, text: str) -> float:
    """A time or a duration."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not (math.isfinite(seconds) and seconds >= 0):
        raise InputError(where, f"{text[:40]!r} is not a time in seconds", MEND)
    return seconds


def assign_speakers(
    utterances: Sequence[Utterance], turns: Sequence[Turn]
) -> tuple[Utterance, ...]:
    """Give each utterance of unknown speaker the one whose turns overlap it most, summed.

    The earlier speaker wins a tie. An utterance that no turn overlaps, or that has no times, stays
    as it is, and so does one whose speaker is known.
    """
    ordered = sorted(turns, key=lambda turn: turn.start)
    starts = np.array([turn.start for turn in ordered])
    latest_ends = np.maximum.accumulate(np.array([turn.end for turn in ordered]))

    def speaker_of(utterance: Utterance) -> str:
        if utterance.start is None or utterance.end is None:
            return UNKNOWN_SPEAKER
        first = np.searchsorted(latest_ends, utterance.start, side="right")
        last = np.searchsorted(starts, utterance.end, side="left")
        return most_heard(ordered[first:last], utterance.start, utterance.end)

    return tuple(
        replace(utterance, speaker=speaker_of(utterance))
        if utterance.speaker == UNKNOWN_SPEAKER
        else utterance
        for utterance in utterances
    )


def most_heard(turns: Iterable[Turn], start: float, end: float) -> str:
    """The speaker of the largest share of the time from ``start`` to ``end``."""
    heard: dict[str, float] = defaultdict(float)
    for turn in turns:
        heard[turn.speaker] += max(min(turn.end, end) - max(turn.start, start), 0)
    best = max(heard, key=lambda speaker: heard[speaker], default=UNKNOWN_SPEAKER)
    return best if heard[best] > 0 else UNKNOWN_SPEAKER


def utterances_of_turns(turns: Sequence[Turn]) -> tuple[Utterance, ...]:
    """Utterances ``1``, ``2``, ... without text, one a turn, in the order of their starts."""
    ordered = sorted(turns, key=lambda turn: turn.start)
    return tuple(
        Utterance(id=str(number), speaker=turn.speaker, text="", start=turn.start, end=turn.end)
        for number, turn in enumerate(ordered, start=1)
    )
