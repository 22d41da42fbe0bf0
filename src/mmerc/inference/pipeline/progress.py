"""How far an analysis is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Stage = Literal["speech", "speakers", "words", "text", "audio", "video", "emotions"]


@dataclass(frozen=True, slots=True)
class Step:
    """``done`` of ``total`` utterances of a stage; 0 of 0 where the stage cannot tell."""

    stage: Stage
    done: int
    total: int


Hook = Callable[[Step], None]


def unheard(step: Step) -> None:
    """In the place of a hook where nobody waits."""
