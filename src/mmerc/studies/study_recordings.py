"""One recording of a study, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from mmerc.corpora.transcript_file import is_transcript

Part = tuple[float, float]
"""Start and end, in seconds."""
State = Literal["analysed", "unchanged", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyRecording:
    """A recording (or a transcript alone) with the files beside it and its study columns.

    ``file`` may be a transcript (.txt); ``transcript`` is one beside a film or sound. ``columns``
    are the columns of the study that a table repeats: participant, session, condition, group and
    further ones; ``participants`` maps speaker names to participants. Utterances that overlap a
    part of ``exclude`` are left out. Paths are relative to the folder at the URL ``remote``, if
    there is one.
    """

    name: str
    file: Path
    subtitles: Path | None = None
    turns: Path | None = None
    transcript: Path | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    participants: Mapping[str, str] = field(default_factory=dict)
    exclude: tuple[Part, ...] = ()
    remote: str | None = None

    @property
    def is_transcript(self) -> bool:
        """Whether the recording is a transcript without film or sound."""
        return is_transcript(self.file)

    @property
    def inputs(self) -> dict[str, Path]:
        """The files that the analysis reads, by their role."""
        files = {
            "file": self.file,
            "subtitles": self.subtitles,
            "turns": self.turns,
            "transcript": self.transcript,
        }
        return {role: path for role, path in files.items() if path is not None}

    def participant_by_speaker(self, speaker: str) -> str | None:
        """Return the participant who is this speaker.

        Without a mapping of speakers, the recording's own participant speaks alone.
        """
        if self.participants:
            return self.participants.get(speaker)
        return self.columns.get("participant")


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingOutcome:
    """What became of one recording of a study; ``reason`` says why it failed."""

    name: str
    file: str
    state: State
    reason: str = ""
