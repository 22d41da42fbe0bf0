"""The emotions of a study as arrays, with speaker, order and recording."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from mmerc.errors import InputError

PROBABILITY = "probability_"
UTTERANCES_FILE = "utterances.parquet"

Ints = NDArray[np.intp]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Pairs:
    """Pairs of utterances by row: ``second`` follows ``first``.

    Shape: both [P].
    """

    first: Ints
    second: Ints


@dataclass(frozen=True)
class Sequences:
    """Utterances sorted by recording, then by voice, then by time.

    A *voice* is a speaker of one conversation. Shape: ``emotion`` (index in ``labels``),
    ``recording``, ``conversation`` and ``voice`` (numbers from 0), ``turn`` (position in the
    conversation) [N]; ``row`` [N] is the utterance's row in the table.
    """

    labels: tuple[str, ...]
    emotion: Ints
    recording: Ints
    conversation: Ints
    voice: Ints
    turn: Ints
    row: Ints

    @cached_property
    def recordings(self) -> int:
        """Number of recordings."""
        return int(self.recording.max(initial=-1)) + 1

    @cached_property
    def voices(self) -> int:
        """Number of voices."""
        return int(self.voice.max(initial=-1)) + 1

    @cached_property
    def recording_of_voice(self) -> Ints:
        """The recording of every voice. Shape: [V]."""
        recordings = np.zeros(self.voices, np.intp)
        recordings[self.voice] = self.recording
        return recordings

    @cached_property
    def voice_counts(self) -> Floats:
        """Count every voice's utterances by emotion. Shape: [V, K]."""
        size = (self.voices, len(self.labels))
        cells = np.ravel_multi_index((self.voice, self.emotion), size)
        return np.bincount(cells, minlength=size[0] * size[1]).reshape(size).astype(np.float64)

    @cached_property
    def same_speaker(self) -> Pairs:
        """Pairs of each utterance and the same speaker's next one."""
        same = np.flatnonzero(self.voice[1:] == self.voice[:-1])
        return Pairs(same, same + 1)

    @cached_property
    def consecutive(self) -> Pairs:
        """Pairs of each utterance and the next one in the conversation."""
        order = np.lexsort((self.turn, self.conversation))
        first, second = order[:-1], order[1:]
        same = self.conversation[first] == self.conversation[second]
        return Pairs(first[same], second[same])

    @cached_property
    def other_speaker(self) -> Pairs:
        """Pairs of consecutive utterances by different speakers."""
        pairs = self.consecutive
        other = self.voice[pairs.first] != self.voice[pairs.second]
        return Pairs(pairs.first[other], pairs.second[other])


def build_sequences(
    labels: Sequence[str],
    *,
    emotions: Sequence[str],
    recordings: Sequence[str],
    speakers: Sequence[str],
    conversations: Sequence[str] | None = None,
    starts: Sequence[float | None] | None = None,
) -> Sequences:
    """Sort utterances into sequences; by default, a recording is one conversation.

    Turns are sorted by ``starts`` if all starts of a conversation are known, else by row.
    InputError for an emotion that is not in ``labels``.
    """
    positions = {name: position for position, name in enumerate(labels)}
    unknown = set(emotions) - set(positions)
    if unknown:
        problem = f"emotion {min(unknown, key=str)!r} has no probability"
        raise InputError("utterances", problem, "write the study's tables again")
    emotion = np.array([positions[name] for name in emotions], np.intp)
    recording = _number(recordings)
    talks = list(zip(recordings, conversations or recordings, strict=True))
    conversation = _number_within(recording, talks)
    voice = _number_within(conversation, list(zip(talks, speakers, strict=True)))
    turn = _turns(conversation, starts)
    order = np.lexsort((turn, voice))
    return Sequences(
        labels=tuple(labels),
        emotion=emotion[order],
        recording=recording[order],
        conversation=conversation[order],
        voice=voice[order],
        turn=turn[order],
        row=order,
    )


def read_columns(study: str | Path, names: Sequence[str]) -> pa.Table:
    """Read the columns ``names`` of a study's utterances, as far as they exist.

    InputError if the table is missing or damaged.
    """
    path = Path(study) / UTTERANCES_FILE
    available = read_names(study)
    try:
        return pq.read_table(path, columns=[name for name in names if name in available])
    except (OSError, pa.ArrowException) as error:
        raise _damaged(path, error) from error


def read_names(study: str | Path) -> tuple[str, ...]:
    """Return the names of all columns of a study's utterances; InputError if missing."""
    path = Path(study) / UTTERANCES_FILE
    if not path.is_file():
        raise InputError(path, "no such file", "analyse a folder with --out first")
    try:
        return tuple(pq.read_schema(path).names)
    except (OSError, pa.ArrowException) as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> InputError:
    """Build the error for an unreadable table."""
    reason = str(error).splitlines()[0].rstrip(".")
    return InputError(path, f"cannot be read ({reason})", "write the study's tables again")


def read_sequences(study: str | Path) -> Sequences:
    """Read the sequences of a study's table of utterances."""
    names = read_names(study)
    labels = [name.removeprefix(PROBABILITY) for name in names if name.startswith(PROBABILITY)]
    columns = ("recording", "speaker", "emotion", "conversation", "start")
    table = read_columns(study, columns)
    missing = [name for name in columns[:3] if name not in table.column_names]
    if missing or len(labels) < 2:
        problem = f"has no column {(missing or [PROBABILITY + 'LABEL'])[0]!r}"
        fix = "write the study's tables again"
        raise InputError(Path(study) / UTTERANCES_FILE, problem, fix)
    values = {name: table[name].to_pylist() for name in table.column_names}
    return build_sequences(
        labels,
        emotions=values["emotion"],
        recordings=values["recording"],
        speakers=values["speaker"],
        conversations=values.get("conversation"),
        starts=values.get("start"),
    )


def _number(names: Sequence[object]) -> Ints:
    """Number names from 0 in order of first appearance."""
    numbers: dict[object, int] = {}
    return np.array([numbers.setdefault(name, len(numbers)) for name in names], np.intp)


def _number_within(groups: Ints, names: Sequence[object]) -> Ints:
    """Number (group, name) pairs from 0, sorted by group."""
    order = np.argsort(groups, kind="stable")
    numbers = np.empty(len(groups), np.intp)
    numbers[order] = _number([names[row] for row in order])
    return numbers


def _turns(conversation: Ints, starts: Sequence[float | None] | None) -> Ints:
    """Return the position of every utterance in its conversation, by time."""
    rows = np.arange(len(conversation))
    times = np.full(len(rows), np.nan)
    if starts is not None:
        times = np.array([np.nan if value is None else value for value in starts], np.float64)
    untimed = np.unique(conversation[np.isnan(times)])
    times[np.isin(conversation, untimed)] = 0.0
    order = np.lexsort((rows, times, conversation))
    sizes = np.bincount(conversation) if len(conversation) else np.zeros(0, np.intp)
    turn = np.empty(len(rows), np.intp)
    turn[order] = rows - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return turn
