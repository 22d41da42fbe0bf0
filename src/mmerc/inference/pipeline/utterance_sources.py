"""Where the utterances of a recording come from: its subtitles, or its speech."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol

from mmerc.conversation import Utterance
from mmerc.errors import InputError, MmercError
from mmerc.files import file_fingerprint
from mmerc.inference.pipeline.progress import Hook, Step
from mmerc.inference.pipeline.subtitle_match import matches_speech
from mmerc.inference.pipeline.work_folder import WorkFolder
from mmerc.media.decode import MediaInfo
from mmerc.media.diarization import find_turns
from mmerc.media.segment import MediaError
from mmerc.media.speaker_turns import (
    UNKNOWN_SPEAKER,
    Turn,
    assign_speakers,
    read_rttm,
)
from mmerc.media.subtitles import read_subtitles
from mmerc.media.transcription import EMBEDDED_MODEL, Transcriber, Transcript
from mmerc.media.voice_activity import Span, find_speech

MIN_PIECE = 0.25  # seconds: the shortest piece of a span that is cut where the speaker changes


@dataclass(frozen=True, slots=True, kw_only=True)
class Segmentation:
    """The utterances of a recording, with remarks on how reliable they are."""

    utterances: tuple[Utterance, ...]
    remarks: tuple[str, ...] = ()


class UtteranceSource(Protocol):
    """The first stage of the pipeline."""

    def settings(self) -> dict[str, Any]:
        """Everything, apart from the recording, that determines the utterances."""
        ...

    def __call__(
        self, recording: Path, info: MediaInfo, *, work: WorkFolder, report: Hook
    ) -> Segmentation: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class FromSubtitles:
    """One utterance per cue; speakers are those of the cues, otherwise those of an RTTM file."""

    subtitles: Path
    turns: Path | None = None

    def settings(self) -> dict[str, Any]:
        return {
            "subtitles": fingerprint_input(self.subtitles),
            "turns": None if self.turns is None else fingerprint_input(self.turns),
        }

    def __call__(
        self, recording: Path, info: MediaInfo, *, work: WorkFolder, report: Hook
    ) -> Segmentation:
        subtitles = read_subtitles(self.subtitles)
        utterances = subtitles.utterances
        if not utterances:
            problem = "no words in any cue, only music or described sounds"
            raise MediaError(self.subtitles, problem, "give subtitles of what is said")
        late = [u for u in utterances if info.duration and (u.start or 0) >= info.duration]
        if len(late) == len(utterances):
            problem = f"all of its cues start after the end of {recording.name}"
            fix = "give the subtitles of this recording"
            raise MediaError(self.subtitles, problem, fix)
        remarks = list(subtitles.remarks)
        if late:
            remarks.append(
                f"{len(late)} of {len(utterances)} cues start after the end of the recording."
            )
        if info.has_sound:
            remarks += check_subtitles(recording, utterances, work, report)
        if self.turns is not None:
            turns = read_rttm(self.turns)
            utterances = assign_speakers(utterances, turns.turns)
            remarks += turns.remarks
        return Segmentation(utterances=utterances, remarks=tuple(remarks))


@dataclass(frozen=True, slots=True, kw_only=True)
class FromSpeech:
    """Utterances from voice activity, speakers from their voices, words from a transcriber.

    ``whisper`` and ``language`` as in ``mmerc.media.transcription.Transcriber``; ``turns`` is an
    RTTM file with the speakers.
    """

    whisper: str = EMBEDDED_MODEL
    language: str | None = None
    turns: Path | None = None

    def settings(self) -> dict[str, Any]:
        return {
            "whisper": self.whisper,
            "language": self.language,
            "turns": None if self.turns is None else fingerprint_input(self.turns),
        }

    def __call__(
        self, recording: Path, info: MediaInfo, *, work: WorkFolder, report: Hook
    ) -> Segmentation:
        if not info.has_sound:
            problem = "the file has no sound to transcribe"
            raise MediaError(recording, problem, "give its subtitles with --subtitles")
        spans = find_spans(recording, work, report)
        if not spans:
            problem = "no speech detected"
            raise MediaError(recording, problem, "give its subtitles if somebody speaks in it")
        turns, remarks = self.speakers(recording, spans, report)
        spans = cut_at_turns(spans, turns)
        transcripts = self.words(recording, spans, work, report)
        utterances = assign_speakers(build_utterances(transcripts), turns)
        remarks = (*remarks, *uncertainty_remarks(transcripts))
        return Segmentation(utterances=utterances, remarks=remarks)

    def speakers(
        self, recording: Path, spans: Sequence[Span], report: Hook
    ) -> tuple[tuple[Turn, ...], tuple[str, ...]]:
        """Who speaks when, and remarks on the RTTM file that says so."""
        report(Step("speakers", 0, 0))
        if self.turns is None:
            return find_turns(recording, spans), ()
        turns = read_rttm(self.turns)
        return turns.turns, turns.remarks

    def words(
        self, recording: Path, spans: Sequence[Span], work: WorkFolder, report: Hook
    ) -> list[Transcript]:
        """Transcripts of all spans, reusing those of an interrupted run."""
        current = set(spans)
        transcripts = {item.span: item for item in work.transcripts() if item.span in current}
        remaining = [span for span in spans if span not in transcripts]
        report(Step("words", len(transcripts), len(spans)))
        if remaining:
            transcriber = Transcriber(self.whisper, language=self.language)
            with work.keeping_transcripts() as keep:
                for transcript in transcriber.transcribe(recording, remaining):
                    keep(transcript)
                    transcripts[transcript.span] = transcript
                    report(Step("words", len(transcripts), len(spans)))
        return [transcripts[span] for span in spans]


def fingerprint_input(path: Path) -> str:
    """Fingerprint of a file named by the user; InputError if it cannot be read."""
    try:
        return file_fingerprint(path)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise InputError(path, f"cannot be read ({reason})", "check the path") from error


def find_spans(recording: Path, work: WorkFolder, report: Hook) -> tuple[Span, ...]:
    """Spans of speech, detected once and then kept in the work folder."""
    spans = work.spans()
    if spans is None:
        report(Step("speech", 0, 0))
        spans = find_speech(recording)
        work.keep_spans(spans)
    return spans


def check_subtitles(
    recording: Path, utterances: Sequence[Utterance], work: WorkFolder, report: Hook
) -> tuple[str, ...]:
    """A remark if subtitles do not match the speech, or if that could not be checked."""
    unchecked = "Could not check whether the subtitles match the speech: "
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
        "The subtitles do not match the speech: they may belong to another recording, or be "
        "shifted in time.",
    )


def cut_at_turns(spans: Sequence[Span], turns: Sequence[Turn]) -> tuple[Span, ...]:
    """Spans cut where the speaker changes, into pieces of a quarter of a second or more."""
    changes = sorted(
        turn.start for before, turn in pairwise(turns) if before.speaker != turn.speaker
    )
    pieces = []
    for span in spans:
        start = span.start
        for cut in changes:
            if start + MIN_PIECE <= cut <= span.end - MIN_PIECE:
                pieces.append(Span(start, cut))
                start = cut
        pieces.append(Span(start, span.end))
    return tuple(pieces)


def build_utterances(transcripts: Sequence[Transcript]) -> tuple[Utterance, ...]:
    """Utterances ``1``, ``2``, ... whose speaker is not yet known."""
    return tuple(
        Utterance(
            id=str(number),
            speaker=UNKNOWN_SPEAKER,
            text=transcript.text,
            start=transcript.span.start,
            end=transcript.span.end,
        )
        for number, transcript in enumerate(transcripts, start=1)
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
