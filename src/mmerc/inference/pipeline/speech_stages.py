"""Stages shared by utterance sources: speech, speakers, and checks of the user's files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmerc.conversation import Utterance
from mmerc.errors import InputError, MmercError
from mmerc.files import file_fingerprint
from mmerc.inference.pipeline.progress import Hook, Step
from mmerc.inference.pipeline.source_remarks import missing_speaker_remarks
from mmerc.inference.pipeline.subtitle_match import matches_speech
from mmerc.inference.pipeline.work_folder import WorkFolder
from mmerc.media.decode import MediaInfo
from mmerc.media.segment import MediaError
from mmerc.media.speaker_turns import Turn, read_rttm
from mmerc.media.speakers.channels import channel_remarks
from mmerc.media.speakers.clustering import SpeakerCount
from mmerc.media.speakers.diarizers import Diarizer, diarize
from mmerc.media.voice_activity import Span, find_speech

UNCHECKED = "Could not check whether"


def fingerprint_input(path: Path) -> str:
    """Return the fingerprint of a user's file; InputError if it cannot be read."""
    try:
        return file_fingerprint(path)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise InputError(path, f"cannot be read ({reason})", "check the path") from error


def find_spans(recording: Path, work: WorkFolder, report: Hook) -> tuple[Span, ...]:
    """Return the speech spans, detected once and then kept in the work folder."""
    spans = work.spans()
    if spans is None:
        report(Step("speech", 0, 0))
        spans = find_speech(recording)
        work.keep_spans(spans)
    return spans


def check_times(
    path: Path, utterances: Sequence[Utterance], recording: Path, info: MediaInfo, *, what: str
) -> tuple[str, ...]:
    """Remark on utterances of the file at ``path`` that start after the recording's end.

    ``what``: "cues" or "sentences". MediaError if all of them do.
    """
    late = [u for u in utterances if info.duration and (u.start or 0) >= info.duration]
    if not late:
        return ()
    if len(late) == len(utterances):
        problem = f"all of its {what} start after the end of {recording.name}"
        raise MediaError(path, problem, "give those of this recording")
    return (f"{len(late)} of {len(utterances)} {what} start after the end of the recording.",)


@dataclass(frozen=True, slots=True, kw_only=True)
class VoiceSearch:
    """Settings of diarization: the number of speakers and the diarizer."""

    count: SpeakerCount = field(default_factory=SpeakerCount)
    diarizer: Diarizer = "mmerc"

    def settings(self) -> dict[str, Any]:
        """Return everything that determines the turns."""
        return {
            "speakers": [self.count.fewest, self.count.most],
            "diarizer": self.diarizer,
        }


def find_speakers(
    recording: Path, turns: Path | None, voices: VoiceSearch, *, work: WorkFolder, report: Hook
) -> tuple[tuple[Turn, ...], tuple[str, ...]]:
    """Return the speaker turns, from an RTTM file or by diarization, with remarks on their source.

    Diarization runs once; the turns are then kept in the work folder. If voices cannot be
    distinguished, every speech span is a turn of one speaker.
    """
    report(Step("speakers", 0, 0))
    if turns is not None:
        speaker_turns = read_rttm(turns, media=recording)
        return speaker_turns.turns, speaker_turns.remarks
    heard = work.turns()
    if heard is None:
        heard = diarize(recording, count=voices.count, diarizer=voices.diarizer)
        work.keep_turns(heard)
    remarks = () if voices.diarizer == "channels" else channel_remarks(recording)
    if heard:
        return heard, (*remarks, *missing_speaker_remarks(heard, voices.count))
    spans = find_spans(recording, work, report)
    alone = tuple(Turn(speaker="SPEAKER_01", start=s.start, end=s.end) for s in spans)
    one = "Voices could not be distinguished: all speech is assigned to one speaker."
    return alone, (*remarks, one)


def check_against_speech(
    recording: Path, utterances: Sequence[Utterance], work: WorkFolder, report: Hook, *, what: str
) -> tuple[str, ...]:
    """Remark if the user's file does not match the speech, or if that could not be checked.

    ``what``: "subtitles" or "words".
    """
    unchecked = f"{UNCHECKED} the {what} match the speech: "
    try:
        if matches_speech(utterances, find_spans(recording, work, report)):
            return ()
    except MediaError as error:
        return (f"{unchecked}{error.reason}.",)
    except InputError:  # a full disk
        raise
    except MmercError as error:
        return (f"{unchecked}{error}",)
    return (
        f"The {what} do not match the speech: they may belong to another recording, or be "
        "shifted in time.",
    )
