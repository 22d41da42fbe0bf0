"""Progress of an analysis."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

_Stage = Literal["speech", "speakers", "words", "text", "audio", "video", "emotions"]


@dataclass(frozen=True, slots=True)
class Step:
    """Progress of a stage: ``done`` of ``total`` utterances; 0 of 0 if there is no count."""

    stage: _Stage
    done: int
    total: int


Hook = Callable[[Step], None]


def ignore_progress(step: Step) -> None:
    """A hook that does nothing."""
