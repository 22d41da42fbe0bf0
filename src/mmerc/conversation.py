"""Utterances and conversations."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, get_args

from mmerc.errors import InputError

Modality = Literal["text", "audio", "video"]
MODALITIES: tuple[Modality, ...] = get_args(Modality)
Split = Literal["train", "valid", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)


@dataclass(frozen=True, slots=True, kw_only=True)
class Utterance:
    """One turn of one speaker; times in seconds, ``label`` None if unknown.

    ``media_start``: the time of the conversation at which ``media`` begins; None means 0.
    ``modality_labels``: what a modality shows on its own, if the corpus states it.
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

    def __post_init__(self) -> None:
        if not self.id:
            raise InputError("utterance", "its id is empty", "give every utterance an id")
        for name in ("start", "end", "media_start"):
            seconds = getattr(self, name)
            if seconds is not None and not (math.isfinite(seconds) and seconds >= 0):
                problem = f"{name} is {seconds}, not a time in seconds"
                raise InputError(f"utterance {self.id!r}", problem, "fix the time or leave it out")


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """Utterances in spoken order, with unique ids.

    ``media_start``: the time, in seconds, at which ``media`` begins; None means 0.
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
        """Return a copy without labels, so that no prediction can depend on them."""
        return replace(self, utterances=tuple(_without_labels(u) for u in self.utterances))


def _without_labels(utterance: Utterance) -> Utterance:
    """Return a copy without any label."""
    return replace(utterance, label=None, modality_labels={})
