"""The interface of corpus readers and their result."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from mmerc.conversation import Conversation, Modality, Split
from mmerc.corpora.media_locators import Locate, locate_in_file
from mmerc.errors import InputError
from mmerc.labels import LabelSet

Vectors = Mapping[tuple[str, str], NDArray[np.float32] | None]
"""(conversation id, utterance id) -> float32 [dim], or None if the modality is absent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RawCorpus:
    """Conversations by split, and the corpus's published vectors.

    ``published``: the authors' counts of utterances and conversations for each split. ``remarks``:
    remarks for the user, one sentence each. ``labels_of``: the corpus of the labels, if it is
    another one. ``saw_labels``: modalities whose training and validation vectors come from a
    network trained on those labels.
    """

    name: str
    labels: LabelSet
    splits: Mapping[Split, tuple[Conversation, ...]]
    features: Mapping[Modality, Vectors] = field(default_factory=dict)
    published: Mapping[Split, tuple[int, int]] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()
    labels_of: str | None = None
    saw_labels: frozenset[Modality] = frozenset()

    def __post_init__(self) -> None:
        seen: dict[str, Split] = {}
        for split, conversations in self.splits.items():
            for conversation in conversations:
                if conversation.id in seen:
                    problem = f"occurs twice, in {seen[conversation.id]} and in {split}"
                    where = f"conversation {conversation.id!r}"
                    raise InputError(where, problem, "give every conversation its own id")
                seen[conversation.id] = split


class CorpusReader(ABC):
    """Base class of corpus readers: reading, locating media, and licence terms.

    A plug-in adds a subclass under the entry-point group ``mmerc.corpora``. The keyword-only
    parameters of ``read`` become options of ``mmerc prepare NAME``.
    """

    name: ClassVar[str]
    """Name for ``mmerc prepare``."""
    summary: ClassVar[str]
    """One-sentence description of the corpus."""
    source: ClassVar[str] = "Folder or file of the raw corpus."
    """What to pass as the source."""
    terms: ClassVar[str | None] = None
    """The corpus's contents and licence terms; None if unknown."""
    corpora: ClassVar[frozenset[str]] = frozenset()
    """Names of the prepared corpora, if they are fixed."""

    @abstractmethod
    def read(self, source: Path, *args: Any, **options: Any) -> RawCorpus:
        """Read the raw corpus; InputError if a file is missing or malformed."""

    def locator(self, media: Path, conversations: Iterable[Conversation]) -> Locate:
        """Return a function that finds an utterance's sound and film in the folder ``media``.

        By default ``media`` is a file in the folder, of the utterance or its conversation.
        """
        return locate_in_file(media)

    def corpus_terms(self, corpus: str) -> str | None:
        """Return the terms of the prepared corpus ``corpus``, which was read by this reader."""
        return self.terms
