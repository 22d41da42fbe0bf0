"""Choose the diarizer."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from mmerc.media.speaker_turns import Turn
from mmerc.media.speakers.clustering import SpeakerCount

Diarizer = Literal["mmerc", "pyannote", "channels"]


def diarize(path: Path, *, count: SpeakerCount, diarizer: Diarizer) -> tuple[Turn, ...]:
    """Find the speaker turns by voice, or by channel."""
    if diarizer == "channels":
        from mmerc.media.speakers.channels import find_channel_turns

        return find_channel_turns(path)
    if diarizer == "pyannote":
        from mmerc.media.speakers.pyannote_diarization import find_turns_by_pyannote

        return find_turns_by_pyannote(path, count=count)
    from mmerc.media.speakers.diarization import find_turns

    return find_turns(path, count=count)
