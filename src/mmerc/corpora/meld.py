"""MELD: dialogues of a TV series, with annotations and clips as published."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from mmerc.conversation import Conversation, Split, Utterance
from mmerc.corpora.base import CorpusReader, RawCorpus
from mmerc.corpora.dialogue_tables import Columns, Details, TableRow, read_dialogues
from mmerc.corpora.error_location import inside
from mmerc.corpora.media_locators import Locate, locate_whole_file
from mmerc.corpora.missing_files import missing_note
from mmerc.errors import InputError
from mmerc.labels import MELD_7

_COLUMNS = Columns(
    dialogue="Dialogue_ID",
    utterance="Utterance_ID",
    speaker="Speaker",
    emotion="Emotion",
    text="Utterance",
    others=("StartTime", "EndTime"),
)
SPLIT_NAMES: Mapping[Split, str] = {"train": "train", "valid": "dev", "test": "test"}
_CLIP_FOLDERS: Mapping[Split, str] = {
    "train": "train_splits",
    "valid": "dev_splits_complete",
    "test": "output_repeated_splits_test",
}
PUBLISHED: Mapping[Split, tuple[int, int]] = {
    "train": (9989, 1038),
    "valid": (1109, 114),
    "test": (2610, 280),
}
_CLIP = re.compile(
    r"dia\d+_utt\d+\.mp4", re.ASCII
)  # neither ._dia0_utt0.mp4 nor final_videos_test*
_Clips = Mapping[str, str]
"""File name of a clip -> its path inside the raw folder."""
_TIME_CODE = re.compile(r"(\d{1,3}):([0-5]?\d):([0-5]?\d)[,.](\d{1,3})", re.ASCII)


class MeldReader(CorpusReader):
    """MELD as published: text, speakers, labels, and clips if available."""

    name = "meld"
    summary = "MELD: dialogues of a television series, seven emotions"
    source = "Folder of the three published CSV files."
    terms = (
        "MELD's annotations: text, speakers and emotions of dialogues of a television series "
        "(GPL-3.0). The words belong to the series."
    )
    corpora = frozenset({"meld"})

    def read(self, source: Path, *, encoding: str | None = None) -> RawCorpus:
        """Read the folder; see ``read_meld``."""
        return read_meld(source, encoding=encoding)

    def locator(self, media: Path, conversations: Iterable[Conversation]) -> Locate:
        """Locate the utterance's clip as a whole; its times refer to the episode."""
        return locate_whole_file(media)


def read_meld(directory: Path, *, encoding: str | None = None) -> RawCorpus:
    """Read ``train_sent_emo.csv``, ``dev_sent_emo.csv`` and ``test_sent_emo.csv``, and find clips.

    Times are in seconds of the episode; media are paths of existing clips inside the folder (the
    archive lacks two). CSV files in Windows-1252 are read with a remark, or with the given
    ``encoding``. Without any clips, media are the published names.
    InputError if a file is missing or a row cannot be read.
    """
    clips = {split: _find_clips(directory, split) for split in SPLIT_NAMES}
    filmed = any(clips.values())
    tables = {
        split: _read_split(directory, split, clips[split] if filmed else None, encoding=encoding)
        for split in SPLIT_NAMES
    }
    splits = {split: conversations for split, (conversations, _) in tables.items()}
    guesses = tuple(remark for _, remark in tables.values() if remark is not None)
    return RawCorpus(
        name="meld",
        labels=MELD_7,
        splits=splits,
        published=PUBLISHED,
        remarks=(*guesses, *_untimed_note(splits), *_clipless_note(splits)),
    )


def _find_clips(directory: Path, split: Split) -> _Clips:
    """Find the clips of one split, in ``train/train_splits`` (published) or ``train_splits``.

    The archive's other files have no annotation: the duplicates ``final_videos_test...`` and macOS
    metadata (``._...``).
    """
    published, unpacked = f"{SPLIT_NAMES[split]}/{_CLIP_FOLDERS[split]}", _CLIP_FOLDERS[split]
    folder = published if (directory / published).is_dir() else unpacked
    return {
        file.name: f"{folder}/{file.name}"
        for file in (directory / folder).glob("dia*.mp4")
        if _CLIP.fullmatch(file.name)
    }


def _read_split(
    directory: Path, split: Split, clips: _Clips | None, *, encoding: str | None
) -> tuple[tuple[Conversation, ...], str | None]:
    """Read the conversations of an annotation file, and a remark on its encoding."""

    def details(row: TableRow) -> Details:
        start, end = _parse_row_times(row)
        clip = f"dia{row.dialogue}_utt{row.utterance}.mp4"
        media = f"{_CLIP_FOLDERS[split]}/{clip}" if clips is None else clips.get(clip)
        return {"start": start, "end": end, "media": media}

    name = SPLIT_NAMES[split]
    file = directory / f"{name}_sent_emo.csv"
    beside_clips = directory / name / file.name  # location of train's file in the inner archive
    if beside_clips.is_file() and not file.is_file():
        file = beside_clips
    return read_dialogues(
        file, split_name=name, columns=_COLUMNS, labels=MELD_7, details=details, encoding=encoding
    )


def _parse_row_times(row: TableRow) -> tuple[float | None, float | None]:
    """Parse start and end in seconds; None for both if the end is not after the start."""
    with inside("StartTime"):
        start = _parse_time_code(row.values["StartTime"])
    with inside("EndTime"):
        end = _parse_time_code(row.values["EndTime"])
    return (start, end) if start < end else (None, None)


def _parse_time_code(text: str) -> float:
    """Convert ``HH:MM:SS,mmm`` to seconds; three published ends are ``HH:MM:SS,mm``."""
    match = _TIME_CODE.fullmatch(text.strip())
    if match is None:
        raise InputError("time code", f"cannot read {text!r}", "write HH:MM:SS,mmm")
    hours, minutes, seconds = (int(part) for part in match.groups()[:3])
    milliseconds = int(match[4].ljust(3, "0"))
    return ((hours * 60 + minutes) * 60_000 + seconds * 1000 + milliseconds) / 1000


def _untimed_note(splits: Mapping[Split, tuple[Conversation, ...]]) -> tuple[str, ...]:
    """Remark on utterances without usable times."""
    untimed = [name for name, utterance in _name_utterances(splits) if utterance.start is None]
    if not untimed:
        return ()
    return (f"Times left out where the end is not after the start: {', '.join(untimed)}.",)


def _clipless_note(splits: Mapping[Split, tuple[Conversation, ...]]) -> tuple[str, ...]:
    """Remark on utterances without a clip."""
    utterances = list(_name_utterances(splits))
    missing = [name for name, utterance in utterances if utterance.media is None]
    return missing_note("clip", missing, total=len(utterances))


def _name_utterances(
    splits: Mapping[Split, tuple[Conversation, ...]],
) -> Iterator[tuple[str, Utterance]]:
    """Yield every utterance with its name for remarks."""
    for conversations in splits.values():
        for conversation in conversations:
            for utterance in conversation.utterances:
                yield f"{conversation.id} {utterance.id}", utterance
