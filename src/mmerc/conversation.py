"""Utterances and conversations."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, get_args

from mmerc.errors import InputError
from mmerc.names import tidy_name

Modality = Literal["text", "audio", "video"]
MODALITIES: tuple[Modality, ...] = get_args(Modality)
Split = Literal["train", "valid", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)
_SUM_TOLERANCE = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Utterance:
    """One turn of one speaker; times in seconds, ``label`` None if unknown.

    ``speaker`` is stored as ``tidy_name`` returns it, so that equal-looking names are one person.
    ``media_start``: the time of the conversation at which ``media`` starts; None means 0.
    ``modality_labels``: the emotion shown by a modality alone, if known.
    ``soft_labels``: the probability of each label, from several raters or another model; empty if
    unknown.
    """

    id: str
    speaker: str
    text: str
    start: float | None = None
    end: float | None = None
    media: str | None = None
    media_start: float | None = None
    label: str | None = None
    modality_labels: Mapping[Modality, str] = field(default_factory=dict)
    soft_labels: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.id:
            raise InputError("utterance", "its id is empty", "give every utterance an id")
        object.__setattr__(self, "speaker", tidy_name(self.speaker))
        if self.soft_labels:
            _check_probabilities(f"utterance {self.id!r}", self.soft_labels)
        for name in ("start", "end", "media_start"):
            seconds = getattr(self, name)
            if seconds is not None and not (math.isfinite(seconds) and seconds >= 0):
                problem = f"{name} is {seconds}, not a time in seconds"
                raise InputError(f"utterance {self.id!r}", problem, "fix the time or leave it out")


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """Utterances in spoken order, with unique ids.

    ``media_start``: the time, in seconds, at which ``media`` starts; None means 0.
    """

    id: str
    utterances: tuple[Utterance, ...]
    media: str | None = None
    media_start: float | None = None

    def __post_init__(self) -> None:
        if not self.id:
            raise InputError("conversation", "its id is empty", "give every conversation an id")
        where = f"conversation {self.id!r}"
        if not self.utterances:
            raise InputError(where, "it has no utterances", "add one or remove it")
        seen: set[str] = set()
        for utterance in self.utterances:
            if utterance.id in seen:
                problem = f"utterance id {utterance.id!r} occurs twice"
                raise InputError(where, problem, "give every utterance its own id")
            seen.add(utterance.id)

    def __len__(self) -> int:
        return len(self.utterances)

    def without_labels(self) -> Conversation:
        """Return a copy without labels, so that predictions cannot depend on them."""
        return replace(self, utterances=tuple(_without_labels(u) for u in self.utterances))


def _check_probabilities(where: str, probabilities: Mapping[str, float]) -> None:
    """Refuse soft labels that are not probabilities."""
    values = probabilities.values()
    valid = all(0 <= value <= 1 for value in values)
    if not valid or abs(sum(values) - 1) > _SUM_TOLERANCE:
        problem = "its soft labels are not probabilities that add up to 1"
        raise InputError(where, problem, "divide each by their sum")


def _without_labels(utterance: Utterance) -> Utterance:
    """Return a copy without any label."""
    return replace(utterance, label=None, modality_labels={}, soft_labels={})
