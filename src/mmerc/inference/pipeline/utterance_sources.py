"""Where the utterances of a recording come from: its subtitles, or its speech."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from mmerc.conversation import Utterance
from mmerc.errors import InputError, MmercError
from mmerc.files import file_fingerprint
from mmerc.inference.pipeline.progress import Hook, Step
from mmerc.inference.pipeline.subtitle_match import matches_speech
from mmerc.inference.pipeline.work_folder import WorkFolder
from mmerc.media.decode import MediaInfo
from mmerc.media.segment import MediaError
from mmerc.media.sentences import split_sentences
from mmerc.media.speaker_turns import (
    UNKNOWN_SPEAKER,
    Turn,
    assign_speakers,
    read_rttm,
)
from mmerc.media.speakers.clustering import SpeakerCount
from mmerc.media.speakers.diarization import find_turns
from mmerc.media.subtitles import UNNAMED, read_subtitles
from mmerc.media.transcription import EMBEDDED_MODEL, Transcriber, Transcript
from mmerc.media.voice_activity import Span, find_speech


@dataclass(frozen=True, slots=True, kw_only=True)
class _Segmentation:
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
    ) -> _Segmentation: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class FromSubtitles:
    """One utterance per cue; speakers are those of the cues, otherwise those of an RTTM file."""

    subtitles: Path
    turns: Path | None = None

    def settings(self) -> dict[str, Any]:
        return {
            "subtitles": _fingerprint_input(self.subtitles),
            "turns": None if self.turns is None else _fingerprint_input(self.turns),
        }

    def __call__(
        self, recording: Path, info: MediaInfo, *, work: WorkFolder, report: Hook
    ) -> _Segmentation:
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
            remarks += _check_subtitles(recording, utterances, work, report)
        if self.turns is not None:
            turns = read_rttm(self.turns)
            utterances = assign_speakers(utterances, turns.turns)
            remarks = [line for line in remarks if UNNAMED not in line]  # the turns name them
            remarks += [*turns.remarks, *_unnamed_remarks(utterances)]
        return _Segmentation(utterances=utterances, remarks=tuple(remarks))


@dataclass(frozen=True, slots=True, kw_only=True)
class FromSpeech:
    """Utterances from recognised words: one sentence of one speaker each.

    ``whisper`` and ``language`` as in ``mmerc.media.transcription.Transcriber``; ``turns`` is an
    RTTM file with the speakers, in place of those found by their voices, of whom there are
    ``count``.
    """

    whisper: str = EMBEDDED_MODEL
    language: str | None = None
    turns: Path | None = None
    count: SpeakerCount = field(default_factory=SpeakerCount)

    def settings(self) -> dict[str, Any]:
        return {
            "whisper": self.whisper,
            "language": self.language,
            "turns": None if self.turns is None else _fingerprint_input(self.turns),
            "speakers": [self.count.fewest, self.count.most],
        }

    def __call__(
        self, recording: Path, info: MediaInfo, *, work: WorkFolder, report: Hook
    ) -> _Segmentation:
        if not info.has_sound:
            problem = "the file has no sound to transcribe"
            raise MediaError(recording, problem, "give its subtitles with --subtitles")
        spans = _find_spans(recording, work, report)
        if not spans:
            problem = "no speech detected"
            raise MediaError(recording, problem, "give its subtitles if somebody speaks in it")
        turns, remarks = self.speakers(recording, spans, work, report)
        transcripts = self.words(recording, spans, work, report)
        utterances = _build_utterances(transcripts, turns)
        remarks = (
            *remarks,
            *_uncertainty_remarks(transcripts),
            *_overlap_remarks(utterances, turns),
        )
        return _Segmentation(utterances=utterances, remarks=remarks)

    def speakers(
        self, recording: Path, spans: Sequence[Span], work: WorkFolder, report: Hook
    ) -> tuple[tuple[Turn, ...], tuple[str, ...]]:
        """Who speaks when, and remarks on how that is known."""
        report(Step("speakers", 0, 0))
        if self.turns is not None:
            given = read_rttm(self.turns)
            return given.turns, given.remarks
        turns = work.turns()
        if turns is None:
            turns = find_turns(recording, count=self.count)
            work.keep_turns(turns)
        if not turns:
            whole = Turn(speaker="SPEAKER_01", start=spans[0].start, end=spans[-1].end)
            return (whole,), ("No voice could be told from another: all is by one speaker.",)
        return turns, ()

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


def _fingerprint_input(path: Path) -> str:
    """Fingerprint of a file named by the user; InputError if it cannot be read."""
    try:
        return file_fingerprint(path)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise InputError(path, f"cannot be read ({reason})", "check the path") from error


def _find_spans(recording: Path, work: WorkFolder, report: Hook) -> tuple[Span, ...]:
    """Spans of speech, detected once and then kept in the work folder."""
    spans = work.spans()
    if spans is None:
        report(Step("speech", 0, 0))
        spans = find_speech(recording)
        work.keep_spans(spans)
    return spans


def _check_subtitles(
    recording: Path, utterances: Sequence[Utterance], work: WorkFolder, report: Hook
) -> tuple[str, ...]:
    """A remark if subtitles do not match the speech, or if that could not be checked."""
    unchecked = "Could not check whether the subtitles match the speech: "
    try:
        if matches_speech(utterances, _find_spans(recording, work, report)):
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


def _build_utterances(
    transcripts: Sequence[Transcript], turns: Sequence[Turn]
) -> tuple[Utterance, ...]:
    """Utterances ``1``, ``2``, ...: sentences, and spans of speech without recognised words."""
    words = [word for transcript in transcripts for word in transcript.words]
    spoken = [
        (item.start, item.end, item.speaker, item.text) for item in split_sentences(words, turns)
    ]
    spoken += [
        (item.span.start, item.span.end, UNKNOWN_SPEAKER, item.text)
        for item in transcripts
        if not item.words
    ]
    utterances = [
        Utterance(id=str(number), speaker=speaker, text=text, start=start, end=end)
        for number, (start, end, speaker, text) in enumerate(sorted(spoken), start=1)
    ]
    return assign_speakers(utterances, turns)


def _unnamed_remarks(utterances: Sequence[Utterance]) -> tuple[str, ...]:
    """Remark on utterances to which neither a cue nor a turn gives a speaker."""
    count = sum(utterance.speaker == UNKNOWN_SPEAKER for utterance in utterances)
    if not count:
        return ()
    return (f"{count} of {len(utterances)} utterances have no speaker: no turn overlaps them.",)


def _overlap_remarks(utterances: Sequence[Utterance], turns: Sequence[Turn]) -> tuple[str, ...]:
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


def _uncertainty_remarks(transcripts: Sequence[Transcript]) -> tuple[str, ...]:
    """A remark if the words of most utterances are uncertain."""
    uncertain = sum(transcript.uncertain for transcript in transcripts)
    if 2 * uncertain > len(transcripts):
        return (
            f"The words of {uncertain} of {len(transcripts)} utterances are uncertain: the "
            "recording may be hard to hear, or in a language that the transcriber does not know.",
        )
    return ()
