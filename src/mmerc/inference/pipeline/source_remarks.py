"""Remarks on utterances whose speaker, voice or words are doubtful."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mmerc.conversation import Utterance
from mmerc.media.speaker_turns import UNKNOWN_SPEAKER, Turn
from mmerc.media.transcription import Transcript


def unnamed_remarks(utterances: Sequence[Utterance]) -> tuple[str, ...]:
    """Remark on utterances to which neither a cue nor a turn gives a speaker."""
    count = sum(utterance.speaker == UNKNOWN_SPEAKER for utterance in utterances)
    if not count:
        return ()
    return (f"{count} of {len(utterances)} utterances have no speaker: no turn overlaps them.",)


def overlap_remarks(utterances: Sequence[Utterance], turns: Sequence[Turn]) -> tuple[str, ...]:
    """A remark if another person speaks during a third or more of some utterances."""
    starts, ends = (np.array([getattr(turn, name) for turn in turns]) for name in ("start", "end"))
    speakers = np.array([turn.speaker for turn in turns])
    count = 0
    for item in utterances:
        start, end = item.start or 0.0, item.end or 0.0
        shared = (np.minimum(ends, end) - np.maximum(starts, start)).clip(min=0)
        others = float(shared[speakers != item.speaker].sum())
        count += end > start and others >= (end - start) / 3
    if not count:
        return ()
    return (
        f"During {count} of {len(utterances)} utterances another person speaks too: their voice "
        "results may be unreliable.",
    )


def uncertainty_remarks(transcripts: Sequence[Transcript]) -> tuple[str, ...]:
    """A remark if the words of most utterances are uncertain."""
    uncertain = sum(transcript.uncertain for transcript in transcripts)
    if 2 * uncertain > len(transcripts):
        return (
            f"The words of {uncertain} of {len(transcripts)} utterances are uncertain: the "
            "recording may be hard to hear, or in a language that the transcriber does not know.",
        )
    return ()
