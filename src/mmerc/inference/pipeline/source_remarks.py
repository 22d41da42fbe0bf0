"""Remarks on utterances whose speaker, voice or words are doubtful."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mmerc.conversation import Utterance
from mmerc.media.speaker_turns import UNKNOWN_SPEAKER
from mmerc.media.transcription import INSTALL_MULTILINGUAL, Transcript, has_multilingual_model

_MUCH = 1 / 3  # of an utterance's length


def unnamed_remarks(utterances: Sequence[Utterance]) -> tuple[str, ...]:
    """Remark on utterances to which neither a cue nor a turn gives a speaker."""
    count = sum(utterance.speaker == UNKNOWN_SPEAKER for utterance in utterances)
    if not count:
        return ()
    return (f"{count} of {len(utterances)} utterances have no speaker: no turn overlaps them.",)


def overlap_remarks(overlaps: Mapping[str, float]) -> tuple[str, ...]:
    """A remark if another person speaks during a third or more of some utterances.

    ``overlaps``: the share of each utterance (``measure_overlaps``).
    """
    count = sum(share >= _MUCH for share in overlaps.values())
    if not count:
        return ()
    return (
        f"During {count} of {len(overlaps)} utterances another person speaks too: their voice "
        "results may be unreliable.",
    )


def uncertainty_remarks(
    transcripts: Sequence[Transcript], *, english_only: bool = False
) -> tuple[str, ...]:
    """A remark if the words of most utterances are uncertain.

    ``english_only``: the transcriber knows English alone; the remark says what knows more.
    """
    uncertain = sum(transcript.uncertain for transcript in transcripts)
    if 2 * uncertain <= len(transcripts):
        return ()
    remark = (
        f"The words of {uncertain} of {len(transcripts)} utterances are uncertain: the recording "
        "may be hard to hear, or in a language that the transcriber does not know"
    )
    if not english_only:
        return (f"{remark}.",)
    first = "" if has_multilingual_model() else f"run {INSTALL_MULTILINGUAL}, then "
    return (f"{remark}; if it is not English, {first}pass --whisper base.",)
