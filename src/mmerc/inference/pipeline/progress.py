"""Progress of an analysis."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

_Stage = Literal["speech", "speakers", "words", "text", "audio", "video", "emotions"]


@dataclass(frozen=True, slots=True)
class Step:
    """``done`` of ``total`` utterances of a stage; 0 of 0 if the stage has no count."""

    stage: _Stage
    done: int
    total: int


Hook = Callable[[Step], None]


def ignore_progress(step: Step) -> None:
    """The hook that reports nothing."""
