"""Detect transcripts; the result of reading one."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Self

from mmerc.conversation import Conversation
from mmerc.errors import InputError
from mmerc.media.similar_names import similar_name_remarks

EARLIER_START = "begins before the line above it; the order of the file is kept"  # a remark
TABLES = frozenset({".csv", ".tsv"})
_DOCUMENTS = frozenset({".doc", ".docx", ".odt", ".ods", ".pdf", ".rtf", ".xls", ".xlsx"})


class TranscriptFile(tuple[Conversation, ...]):
    """The conversations of a transcript, with remarks (one sentence each)."""

    remarks: tuple[str, ...]

    def __new__(cls, conversations: Iterable[Conversation], remarks: Iterable[str] = ()) -> Self:
        """Create from conversations in file order."""
        transcript = super().__new__(cls, conversations)
        transcript.remarks = tuple(remarks)
        return transcript

    @classmethod
    def of(
        cls, file: Path, conversations: Iterable[Conversation], remarks: Iterable[str] = ()
    ) -> Self:
        """Create from conversations of ``file``; adds remarks on similar names of speakers."""
        listed = tuple(conversations)
        speakers = (item.speaker for group in listed for item in group.utterances)
        return cls(listed, (*remarks, *similar_name_remarks(file.name, speakers)))


def is_transcript(path: Path) -> bool:
    """Whether a file is a text rather than a recording, by its suffix."""
    ending = path.suffix.lower()
    return ending == ".txt" or ending in TABLES or ending in _DOCUMENTS


def check_no_document(path: Path) -> None:
    """InputError for office documents, which are not supported."""
    ending = path.suffix.lower()
    if ending in _DOCUMENTS:
        problem = f"{ending} files cannot be read"
        raise InputError(path, problem, "save it as plain text (.txt) or as a table (.csv)")
