"""Sources of the utterances of a study's recordings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

from mmerc.conversation import Conversation, Utterance
from mmerc.corpora.transcript import read_transcript
from mmerc.corpora.transcript_file import TranscriptFile
from mmerc.errors import InputError
from mmerc.files import fingerprint
from mmerc.inference.pipeline.progress import Hook
from mmerc.inference.pipeline.segmentation import Segmentation, UtteranceSource
from mmerc.inference.pipeline.speech_stages import (
    check_against_speech,
    check_times,
    fingerprint_input,
)
from mmerc.inference.pipeline.utterance_sources import FromSpeech, FromSubtitles
from mmerc.inference.pipeline.work_folder import WorkFolder
from mmerc.media.decode import MediaInfo
from mmerc.media.languages import language_code
from mmerc.media.segment import MediaError
from mmerc.media.speaker_turns import assign_speakers, read_rttm
from mmerc.studies.study_recordings import Part, StudyRecording


@dataclass(frozen=True, slots=True, kw_only=True)
class _FromTranscript:
    """The utterances of a transcript with times; each ends at the latest when the next starts."""

    transcript: Path
    utterances: tuple[Utterance, ...]
    turns: Path | None = None
    language: str | None = None

    def settings(self) -> dict[str, Any]:
        return {
            "utterances": fingerprint([asdict(item) for item in self.utterances]),
            "turns": None if self.turns is None else fingerprint_input(self.turns),
        }

    def __call__(
        self, recording: Path, info: MediaInfo, *, work: WorkFolder, report: Hook
    ) -> Segmentation:
        remarks = check_times(self.transcript, self.utterances, recording, info, what="lines")
        utterances = tuple(_add_ends(self.utterances, info.duration))
        if info.has_sound:
            remarks += check_against_speech(recording, utterances, work, report, what="words")
        if self.turns is not None:
            turns = read_rttm(self.turns, media=recording).turns
            utterances = assign_speakers(utterances, turns)
        return Segmentation(
            utterances=utterances, remarks=remarks, language=language_code(self.language)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _WithoutParts:
    """The utterances of another source, except those that overlap an excluded part."""

    source: UtteranceSource
    parts: tuple[Part, ...]

    def settings(self) -> dict[str, Any]:
        return {**self.source.settings(), "exclude": [list(part) for part in self.parts]}

    def __call__(
        self, recording: Path, info: MediaInfo, *, work: WorkFolder, report: Hook
    ) -> Segmentation:
        segmentation = self.source(recording, info, work=work, report=report)
        utterances = _leave_out(segmentation.utterances, self.parts)
        if not utterances:
            problem = "all of its utterances are in excluded parts"
            raise MediaError(recording, problem, "exclude less, or the whole recording")
        return replace(segmentation, utterances=utterances)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChosenSource:
    """The source of a recording's utterances, with remarks on unused files."""

    source: UtteranceSource
    words_from: Literal["subtitles", "transcript", "speech"]
    remarks: tuple[str, ...] = ()


def choose_source(speech: UtteranceSource, recording: StudyRecording) -> ChosenSource:
    """Choose the source of a recording's utterances, without the excluded parts.

    ``speech`` is the source of recordings without subtitles or transcript.
    """
    chosen = _choose_words(speech, recording)
    if not recording.exclude:
        return chosen
    return replace(chosen, source=_WithoutParts(source=chosen.source, parts=recording.exclude))


def _choose_words(speech: UtteranceSource, recording: StudyRecording) -> ChosenSource:
    """Choose the source of all utterances: subtitles, a timed transcript, or speech."""
    turns = recording.turns
    language = speech.language if isinstance(speech, FromSpeech) else None
    if recording.subtitles is not None:
        source = FromSubtitles(subtitles=recording.subtitles, turns=turns, language=language)
        return ChosenSource(source=source, words_from="subtitles")
    remarks: tuple[str, ...] = ()
    if recording.transcript is not None:
        transcript = read_transcript(recording.transcript)
        utterances = [item for conversation in transcript for item in conversation.utterances]
        if len(transcript) == 1 and all(item.start is not None for item in utterances):
            return ChosenSource(
                source=_FromTranscript(
                    transcript=recording.transcript,
                    utterances=tuple(utterances),
                    turns=turns,
                    language=language,
                ),
                words_from="transcript",
                remarks=transcript.remarks,
            )
        remarks = (f"{recording.transcript.name} lacks times: the speech was transcribed.",)
    if turns is not None and isinstance(speech, FromSpeech):
        speech = replace(speech, turns=turns)
    return ChosenSource(source=speech, words_from="speech", remarks=remarks)


def read_transcript_without(path: Path, *, exclude: Sequence[Part]) -> TranscriptFile:
    """Read a transcript without the utterances that overlap an excluded part.

    InputError if parts are excluded and it has no times, or if nothing remains.
    """
    transcript = read_transcript(path)
    if not exclude:
        return transcript
    utterances = [item for conversation in transcript for item in conversation.utterances]
    if any(item.start is None for item in utterances):
        problem = "it has no times, so no part of it can be excluded"
        raise InputError(path, problem, "add times, or exclude the whole recording")
    shorter = [
        Conversation(id=item.id, utterances=remaining)
        for item in transcript
        if (remaining := _leave_out(tuple(_add_ends(item.utterances, None)), exclude))
    ]
    if not shorter:
        problem = "all of its utterances are in excluded parts"
        raise InputError(path, problem, "exclude less, or the whole recording")
    return TranscriptFile(shorter, transcript.remarks)


def _leave_out(utterances: Sequence[Utterance], parts: Sequence[Part]) -> tuple[Utterance, ...]:
    """Return the utterances that do not overlap a part."""
    return tuple(item for item in utterances if not any(_overlaps(item, part) for part in parts))


def _overlaps(item: Utterance, part: Part) -> bool:
    """Whether an utterance and a part overlap."""
    start, end = item.start or 0.0, _end_or_start(item)
    return (start < part[1] and end > part[0]) or part[0] <= start < part[1]


def _end_or_start(item: Utterance) -> float:
    """Return the end of an utterance, or its start if the end is unknown."""
    return item.end if item.end is not None else item.start or 0.0


def _add_ends(utterances: Sequence[Utterance], duration: float | None) -> list[Utterance]:
    """Set missing ends to the start of the next utterance or the end of the recording."""
    inside = [u for u in utterances if duration is None or (u.start or 0.0) < duration]
    ends = [later.start for _, later in pairwise(inside)] + [duration]
    return [
        replace(item, end=end)
        if item.end is None and end is not None and end > (item.start or 0.0)
        else item
        for item, end in zip(inside, ends, strict=True)
    ]
