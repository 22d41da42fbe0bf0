"""Information about its training data that a model stores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from mmerc.conversation import Modality
from mmerc.errors import InputError
from mmerc.files import read_json
from mmerc.labels import label_source


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingStatistics:
    """Statistics of the training split, passed to a model before training.

    Shape: ``features[m]``, mean and standard deviation [D_m]; ``label_counts`` [K].
    """

    features: Mapping[Modality, tuple[Tensor, Tensor]]
    label_counts: Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainedOn:
    """The conversations whose labels a model has seen.

    ``extractors``: fingerprint of each modality's extractor. ``labels_of``: the corpus that the
    labels come from, if it is not ``corpus``.
    """

    corpus: str
    conversations: frozenset[str]
    extractors: Mapping[Modality, str] = field(default_factory=dict)
    labels_of: str | None = None

    def seen(self, source: str) -> frozenset[str]:
        """Return the ids of the conversations of corpus ``source`` whose labels were seen."""
        same = source == label_source(self.corpus, self.labels_of)
        return self.conversations if same else frozenset()

    def to_json(self) -> dict[str, Any]:
        """Return the content of ``training_data.json``."""
        return {
            "corpus": self.corpus,
            "labels_of": self.labels_of,
            "conversations": sorted(self.conversations),
            "extractors": dict(self.extractors),
        }

    @classmethod
    def read(cls, folder: Path) -> TrainedOn:
        """Read ``training_data.json``; empty for a model without the file."""
        path = folder / "training_data.json"
        value = read_json(path) if path.is_file() else {}
        if not isinstance(value, dict):
            raise InputError(path, "not a list of conversations", "copy the model again")
        return cls(
            corpus=str(value.get("corpus", "")),
            conversations=frozenset(value.get("conversations", ())),
            extractors=value.get("extractors", {}),
            labels_of=value.get("labels_of"),
        )
