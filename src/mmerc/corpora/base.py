"""What a corpus reader is, and what it returns."""

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
    """Conversations by split, and the vectors that the corpus was published with.

    ``published`` maps a split to the utterance and conversation counts of its authors; ``remarks``
    are remarks for the user, one sentence each. ``labels_of`` names the corpus that the labels
    come from, if it is another one. ``saw_labels`` names the modalities whose training and
    validation vectors come from a network that was trained on those labels.
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
    """Everything mmerc knows about a corpus: how to read it, where its media are, its terms.

    A plug-in adds a subclass under the entry-point group ``mmerc.corpora``. The keyword-only
    parameters of ``read`` become options of ``mmerc prepare NAME``.
    """

    name: ClassVar[str]
    """Name for ``mmerc prepare``."""
    summary: ClassVar[str]
    """What the corpus is, in one sentence."""
    source: ClassVar[str] = "Folder or file of the raw corpus."
    """What to pass as the source."""
    terms: ClassVar[str | None] = None
    """What the corpus contains and what its licence allows; None if unknown."""
    corpora: ClassVar[frozenset[str]] = frozenset()
    """Names of the prepared corpora, where they are always the same."""

    @abstractmethod
    def read(self, source: Path, *args: Any, **options: Any) -> RawCorpus:
        """Read the raw corpus; InputError if a file is missing or malformed."""

    def locator(self, media: Path, conversations: Iterable[Conversation]) -> Locate:
        """Return a function that finds an utterance's sound and film in the folder ``media``.

        By default ``media`` names a file in the folder: the utterance's own, or its conversation's.
        """
        return locate_in_file(media)

    def corpus_terms(self, corpus: str) -> str | None:
        """The terms of the prepared corpus named ``corpus``, which this reader has read."""
        return self.terms
