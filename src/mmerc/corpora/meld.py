"""MELD: dialogues of a television series, as its authors publish the annotations."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from mmerc.conversation import Conversation, Split
from mmerc.corpora.base import RawCorpus
from mmerc.corpora.places import inside
from mmerc.corpora.tables import Columns, Details, Row, read_dialogues
from mmerc.errors import InputError
from mmerc.labels import MELD_7

COLUMNS = Columns(
    dialogue="Dialogue_ID",
    utterance="Utterance_ID",
    speaker="Speaker",
    emotion="Emotion",
    text="Utterance",
    others=("StartTime", "EndTime"),
)
SPLIT_NAMES: Mapping[Split, str] = {"train": "train", "valid": "dev", "test": "test"}
CLIP_FOLDERS: Mapping[Split, str] = {
    "train": "train_splits",
    "valid": "dev_splits_complete",
    "test": "output_repeated_splits_test",
}
PUBLISHED: Mapping[Split, tuple[int, int]] = {
    "train": (9989, 1038),
    "valid": (1109, 114),
    "test": (2610, 280),
}
TIME_CODE = re.compile(r"(\d{1,3}):([0-5]?\d):([0-5]?\d)[,.](\d{1,3})", re.ASCII)


def read_meld(directory: Path) -> RawCorpus:
    """Read ``train_sent_emo.csv``, ``dev_sent_emo.csv`` and ``test_sent_emo.csv``.

    Times in seconds of the episode; media as paths inside the folder of the published clips.
    InputError where a file is missing or a row cannot be read.
    """
    splits = {split: read_split(directory, split) for split in SPLIT_NAMES}
    return RawCorpus(
        name="meld",
        labels=MELD_7,
        splits=splits,
        published=PUBLISHED,
        notes=untimed_note(splits),
    )


def read_split(directory: Path, split: Split) -> tuple[Conversation, ...]:
    """Conversations of one annotation file."""

    def details(row: Row) -> Details:
        start, end = read_times(row)
        clip = f"{CLIP_FOLDERS[split]}/dia{row.dialogue}_utt{row.utterance}.mp4"
        return {"start": start, "end": end, "media": clip}

    name = SPLIT_NAMES[split]
    file = directory / f"{name}_sent_emo.csv"
    return read_dialogues(file, split_name=name, columns=COLUMNS, labels=MELD_7, details=details)


def read_times(row: Row) -> tuple[float | None, float | None]:
    """Start and end in seconds, both None where the utterance would end before it begins."""
    with inside("StartTime"):
        start = read_time_code(row.values["StartTime"])
    with inside("EndTime"):
        end = read_time_code(row.values["EndTime"])
    return (start, end) if start < end else (None, None)


def read_time_code(text: str) -> float:
    """Seconds of ``HH:MM:SS,mmm``; three published ends have two decimals, ``HH:MM:SS,mm``."""
    match = TIME_CODE.fullmatch(text.strip())
    if match is None:
        raise InputError("time code", f"cannot read {text!r}", "write HH:MM:SS,mmm")
    hours, minutes, seconds = (int(part) for part in match.groups()[:3])
    milliseconds = int(match[4].ljust(3, "0"))
    return ((hours * 60 + minutes) * 60_000 + seconds * 1000 + milliseconds) / 1000


def untimed_note(splits: Mapping[Split, tuple[Conversation, ...]]) -> tuple[str, ...]:
    """Say how many utterances have no usable times."""
    untimed = [
        f"{conversation.id} {utterance.id}"
        for conversations in splits.values()
        for conversation in conversations
        for utterance in conversation.utterances
        if utterance.start is None
    ]
    if not untimed:
        return ()
    return (f"Times left out where the end is not after the start: {', '.join(untimed)}.",)
