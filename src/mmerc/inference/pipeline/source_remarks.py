"""Remarks on utterances with a doubtful speaker, voice or text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mmerc.conversation import Utterance
from mmerc.media.languages import ENGLISH, language_name
from mmerc.media.speaker_turns import UNKNOWN_SPEAKER, Turn
from mmerc.media.speakers.clustering import SpeakerCount
from mmerc.media.transcription import INSTALL_MULTILINGUAL, Transcript

_MUCH = 1 / 3  # share of an utterance's duration
_ENOUGH_WORDS = 10


def unnamed_remarks(utterances: Sequence[Utterance]) -> tuple[str, ...]:
    """Remark on utterances without a speaker from a cue or turn."""
    count = sum(utterance.speaker == UNKNOWN_SPEAKER for utterance in utterances)
    if not count:
        return ()
    return (f"{count} of {len(utterances)} utterances have no speaker: no turn overlaps them.",)


def wordless_remarks(utterances: Sequence[Utterance]) -> tuple[str, ...]:
    """Remark on speech without recognised words."""
    count = sum(not utterance.text for utterance in utterances)
    if not count:
        return ()
    return (
        f"In {count} of {len(utterances)} utterances no word was recognised: their emotions are "
        "predicted without words, and marked as doubtful.",
    )


def missing_speaker_remarks(turns: Sequence[Turn], count: SpeakerCount) -> tuple[str, ...]:
    """Return a remark if fewer speakers were found by their voices than the user stated."""
    number = len({turn.speaker for turn in turns})
    if number >= count.fewest:
        return ()
    return (f"{number} of the {count.fewest} requested speakers could be distinguished by voice.",)


def silent_turn_remarks(silent: Sequence[Turn], turns: Sequence[Turn]) -> tuple[str, ...]:
    """Remark on turns of the user's file without words."""
    if not silent:
        return ()
    names = ", ".join(dict.fromkeys(turn.speaker for turn in silent))
    return (
        f"{len(silent)} of {len(turns)} turns ({names}) have no words and are "
        "not utterances. Words during a turn inside another belong to the longer one.",
    )


def overlap_remarks(overlaps: Mapping[str, float]) -> tuple[str, ...]:
    """Remark if another person speaks during a third or more of some utterances.

    ``overlaps``: the share of each utterance (``measure_overlaps``).
    """
    count = sum(share >= _MUCH for share in overlaps.values())
    if not count:
        return ()
    return (
        f"During {count} of {len(overlaps)} utterances another person speaks too: their voice "
        "results may be unreliable.",
    )


def words_are_uncertain(transcripts: Sequence[Transcript]) -> bool:
    """Whether the transcript of a recording as a whole is doubtful.

    [decided] True if most transcripts are uncertain, or half of ten or more words are doubtful.
    With tiny.en that share is 0.64 for a French reading and 0.82 for a German sentence; in English,
    0.05 for a telephone call and 0.28 for a meeting.
    """
    words = [word for transcript in transcripts for word in transcript.words]
    doubtful = sum(word.is_doubtful for word in words)
    uncertain = sum(transcript.uncertain for transcript in transcripts)
    many = len(words) >= _ENOUGH_WORDS and 2 * doubtful >= len(words)
    return many or 2 * uncertain > len(transcripts)


def uncertainty_remarks(
    transcripts: Sequence[Transcript], *, english_only: bool = False, heard: str | None = None
) -> tuple[str, ...]:
    """Remark if the transcript of a recording is doubtful.

    ``english_only``: the transcriber only knows English; the remark names an alternative.
    ``heard``: the code of the language detected by a multilingual model, if any.
    """
    if not words_are_uncertain(transcripts):
        return ()
    uncertain = sum(transcript.uncertain for transcript in transcripts)
    words = [word for transcript in transcripts for word in transcript.words]
    doubtful = sum(word.is_doubtful for word in words)
    if 2 * uncertain > len(transcripts):
        what = f"The words of {uncertain} of {len(transcripts)} utterances"
    else:
        what = f"{doubtful} of {len(words)} words"
    remark = f"{what} are uncertain: the recording may be hard to hear"
    if heard == ENGLISH:
        return (f"{remark}.",)
    if heard is not None:
        return (f"{remark}, or is {language_name(heard)}, as it sounds; pass --whisper base.",)
    remark = f"{remark}, or in a language that the transcriber does not know"
    if not english_only:
        return (f"{remark}.",)
    return (
        f"{remark}; if it is not English, run {INSTALL_MULTILINGUAL}, then pass --whisper base.",
    )
