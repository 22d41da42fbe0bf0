"""The first stage of the pipeline: its interface and its result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from mmerc.conversation import Utterance
from mmerc.inference.analysis import Marks
from mmerc.inference.pipeline.progress import Hook
from mmerc.inference.pipeline.work_folder import WorkFolder
from mmerc.media.decode import MediaInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class Segmentation:
    """The utterances of a recording, with remarks on their reliability.

    ``marks``: doubts about single utterances, by id. ``language``: the code of the spoken language,
    None if unknown.
    """

    utterances: tuple[Utterance, ...]
    remarks: tuple[str, ...] = ()
    marks: Mapping[str, Marks] = field(default_factory=dict)
    language: str | None = None


class UtteranceSource(Protocol):
    """The first stage of the pipeline."""

    def settings(self) -> dict[str, Any]:
        """Return everything except the recording that determines the utterances."""
        ...

    def __call__(
        self, recording: Path, info: MediaInfo, *, work: WorkFolder, report: Hook
    ) -> Segmentation: ...
