"""Speaker turns of an RTTM file, and their assignment to utterances."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np

from mmerc.conversation import Utterance
from mmerc.errors import InputError
from mmerc.media.line_remarks import LineRemarks
from mmerc.media.recording_choice import choose_recording
from mmerc.media.rttm_fields import FIX, NOT_AVAILABLE, RttmFields, read_fields
from mmerc.media.similar_names import similar_name_remarks
from mmerc.media.text_files import read_small_text
from mmerc.names import tidy_name

UNKNOWN_SPEAKER = "unknown"
_FEWEST_TURNS, _SLACK = 3, 0.5  # turns, seconds; minimum for detecting wrong durations
_CONFIDENCE = "the number may be a confidence; it is read as part of the name"
_END_TIMES = "the durations look like end times; write how long each turn lasts"


def speaker_or_unknown(name: str | None) -> str:
    """Return a speaker's tidy name, or ``UNKNOWN_SPEAKER`` if nothing can be seen of it."""
    return tidy_name(name or "") or UNKNOWN_SPEAKER


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """A turn of one speaker (a name as in ``Utterance``), from ``start`` to ``end`` in seconds."""

    speaker: str
    start: float
    end: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "speaker", tidy_name(self.speaker))


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeakerTurns:
    """The turns of an RTTM file, with remarks on reading it."""

    turns: tuple[Turn, ...]
    remarks: tuple[str, ...] = ()


def read_rttm(
    path: str | Path, *, recording: str | None = None, media: str | Path | None = None
) -> SpeakerTurns:
    """Read the ``SPEAKER`` lines of an RTTM file, sorted by start (NIST RT-09 evaluation plan).

    Other kinds of lines in the plan, comments (``;;``) and empty lines are ignored. Names of
    recordings and speakers may contain spaces (``mmerc.media.rttm_fields``). Speaker ``<NA>`` is
    called "unknown", with a remark.

    ``recording`` selects the turns of one recording by its name in the file. Otherwise, of several
    recordings in the file, the one with the name of the file ``media`` is read.

    InputError, with the line, for an unknown kind, invalid or ambiguous columns, an invalid time
    and a duration that is not above zero; also for a file without turns or with several recordings.
    """
    path = Path(path)
    remarks = LineRemarks(path.name)
    lines = list(_read_lines(path))
    if recording is None:
        names = (fields.recording for _, _, fields in lines)
        recording = choose_recording(path, names, media, what="turns")
    turns = []
    for number, where, fields in lines:
        if fields.recording != recording:
            continue
        turns.append(_read_turn(where, fields))
        if fields.speaker == NOT_AVAILABLE:
            remarks.add(number, "no speaker is named")
        if fields.doubtful:
            remarks.add(number, _CONFIDENCE, quote=fields.speaker)
    if not turns:
        of = "" if recording is None else f" of {recording!r}"
        raise InputError(path, f"it contains no speaker turn{of}", FIX)
    ordered = sorted(turns, key=lambda turn: turn.start)
    doubts = [f"{path.name}: {_END_TIMES}."] if _durations_look_like_ends(ordered) else []
    doubts += similar_name_remarks(path.name, (turn.speaker for turn in ordered))
    return SpeakerTurns(turns=tuple(ordered), remarks=(*remarks.sentences(), *doubts))


def _read_lines(path: Path) -> Iterator[tuple[int, str, RttmFields]]:
    """Yield number, position and columns of every ``SPEAKER`` line."""
    for number, line in enumerate(read_small_text(path).split("\n"), start=1):
        where = f"{path}, line {number}"
        fields = read_fields(where, line)
        if fields is not None:
            yield number, where, fields


def _durations_look_like_ends(turns: Sequence[Turn]) -> bool:
    """Whether all turns overlap, but would be consecutive if their durations were end times."""
    if len(turns) < _FEWEST_TURNS:
        return False
    lengths = [turn.end - turn.start for turn in turns]
    as_ends = all(
        turn.start < length <= after.start + _SLACK
        for turn, length, after in zip(turns, lengths, turns[1:], strict=False)
    )
    return as_ends and all(a.end > b.start + _SLACK for a, b in pairwise(turns))


def _read_turn(where: str, fields: RttmFields) -> Turn:
    """Read the turn of one line."""
    start, duration = (_read_seconds(where, text) for text in (fields.start, fields.duration))
    if duration == 0:
        raise InputError(where, "a turn without a length", "fix its duration or leave it out")
    speaker = None if fields.speaker == NOT_AVAILABLE else fields.speaker
    return Turn(speaker=speaker_or_unknown(speaker), start=start, end=start + duration)


def _read_seconds(where: str, text: str) -> float:
    """Read a time or a duration."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not (math.isfinite(seconds) and seconds >= 0):
        raise InputError(where, f"{text[:40]!r} is not a time in seconds", FIX)
    return seconds


def assign_speakers(
    utterances: Sequence[Utterance], turns: Sequence[Turn]
) -> tuple[Utterance, ...]:
    """Assign speakers to utterances without one, by largest total overlap with turns.

    Ties go to the earlier speaker. Utterances without overlapping turns, without times, or with a
    known speaker are unchanged.
    """
    ordered = sorted(turns, key=lambda turn: turn.start)
    starts = np.array([turn.start for turn in ordered])
    latest_ends = np.maximum.accumulate(np.array([turn.end for turn in ordered]))

    def speaker_of(utterance: Utterance) -> str:
        if utterance.start is None or utterance.end is None:
            return UNKNOWN_SPEAKER
        first = np.searchsorted(latest_ends, utterance.start, side="right")
        last = np.searchsorted(starts, utterance.end, side="left")
        return _find_main_speaker(ordered[first:last], utterance.start, utterance.end)

    return tuple(
        replace(utterance, speaker=speaker_of(utterance))
        if utterance.speaker == UNKNOWN_SPEAKER
        else utterance
        for utterance in utterances
    )


def _find_main_speaker(turns: Iterable[Turn], start: float, end: float) -> str:
    """Return the speaker with the most speech between ``start`` and ``end``."""
    heard: dict[str, float] = defaultdict(float)
    for turn in turns:
        heard[turn.speaker] += max(min(turn.end, end) - max(turn.start, start), 0)
    best = max(heard, key=lambda speaker: heard[speaker], default=UNKNOWN_SPEAKER)
    return best if heard[best] > 0 else UNKNOWN_SPEAKER


def utterances_of_turns(turns: Sequence[Turn]) -> tuple[Utterance, ...]:
    """Create utterances ``1``, ``2``, ... without text, one per turn, sorted by start."""
    ordered = sorted(turns, key=lambda turn: turn.start)
    return tuple(
        Utterance(id=str(number), speaker=turn.speaker, text="", start=turn.start, end=turn.end)
        for number, turn in enumerate(ordered, start=1)
    )
