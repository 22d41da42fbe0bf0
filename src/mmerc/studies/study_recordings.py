"""A recording of a study, and its outcome."""

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
    """A recording (or only a transcript) with accompanying files and study columns.

    ``file`` may be a transcript (.txt); ``transcript`` accompanies a film or sound. ``columns`` are
    the study columns, which are repeated in tables: participant, session, condition, group and
    others. ``participants`` maps speaker names to participants. Utterances that overlap a part of
    ``exclude`` are skipped. Paths are relative to the folder at the URL ``remote``, if set.
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
        """The input files of the analysis, by role."""
        files = {
            "file": self.file,
            "subtitles": self.subtitles,
            "turns": self.turns,
            "transcript": self.transcript,
        }
        return {role: path for role, path in files.items() if path is not None}

    def participant_by_speaker(self, speaker: str) -> str | None:
        """Return the participant who is this speaker.

        Without a mapping, the recording's participant is assumed to be the only speaker.
        """
        if self.participants:
            return self.participants.get(speaker)
        return self.columns.get("participant")


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingOutcome:
    """The outcome of a recording of a study; ``reason``: why it failed."""

    name: str
    file: str
    state: State
    reason: str = ""
