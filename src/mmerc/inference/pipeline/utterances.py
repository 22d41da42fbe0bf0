"""Where the utterances of a recording lie, what is said in them, and by whom."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol

from mmerc.conversation import Utterance
from mmerc.files import file_fingerprint
from mmerc.inference.pipeline.progress import Hook, Step
from mmerc.inference.pipeline.work import Work
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

SHORTEST = 0.25  # seconds: what is left of a span where speakers change may be no utterance


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The utterances of a recording, and what a reader must know of how they were found."""

    utterances: tuple[Utterance, ...]
    remarks: tuple[str, ...] = ()


class FindUtterances(Protocol):
    """The first stage of the pipeline."""

    def settings(self) -> dict[str, Any]:
        """All that the utterances depend on beside the recording."""
        ...

    def __call__(self, recording: Path, info: MediaInfo, *, work: Work, report: Hook) -> Found: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class FromSubtitles:
    """Utterances are cues; speakers come from them, else from the turns of an RTTM file."""

    subtitles: Path
    turns: Path | None = None

    def settings(self) -> dict[str, Any]:
        return {
            "subtitles": file_fingerprint(self.subtitles),
            "turns": None if self.turns is None else file_fingerprint(self.turns),
        }

    def __call__(self, recording: Path, info: MediaInfo, *, work: Work, report: Hook) -> Found:
        utterances = read_subtitles(self.subtitles)
        late = [u for u in utterances if info.duration and (u.start or 0) >= info.duration]
        if len(late) == len(utterances):
            problem = f"all of its cues lie past the end of {recording.name}"
            mend = "give the subtitles of this recording"
            raise MediaError(self.subtitles, problem, mend)
        remarks = []
        if late:
            remarks.append(f"{len(late)} of {len(utterances)} cues lie past the recording's end.")
        if info.has_sound and not fits(utterances, spoken(recording, work, report)):
            remarks.append(
                "Little is spoken where the subtitles say so: they may be of another recording."
            )
        if self.turns is not None:
            utterances = assign_speakers(utterances, read_rttm(self.turns))
        return Found(utterances=utterances, remarks=tuple(remarks))


@dataclass(frozen=True, slots=True, kw_only=True)
class FromSpeech:
    """Utterances are found by voice activity, told apart by voice, and transcribed.

    ``whisper`` and ``language`` as in ``mmerc.media.transcription.Transcriber``.
    """

    whisper: str = EMBEDDED_MODEL
    language: str | None = None
    turns: Path | None = None

    def settings(self) -> dict[str, Any]:
        return {
            "whisper": self.whisper,
            "language": self.language,
            "turns": None if self.turns is None else file_fingerprint(self.turns),
        }

    def __call__(self, recording: Path, info: MediaInfo, *, work: Work, report: Hook) -> Found:
        if not info.has_sound:
            problem = "no sound in the file, so that nothing can be transcribed"
            raise MediaError(recording, problem, "give its subtitles with --subtitles")
        spans = spoken(recording, work, report)
        if not spans:
            problem = "nobody speaks in it"
            raise MediaError(recording, problem, "give its subtitles if somebody does")
        turns = self.speakers(recording, spans, report)
        spans = cut_at_turns(spans, turns)
        transcripts = self.words(recording, spans, work, report)
        utterances = assign_speakers(utterances_of(transcripts), turns)
        return Found(utterances=utterances, remarks=doubts(transcripts))

    def speakers(self, recording: Path, spans: Sequence[Span], report: Hook) -> tuple[Turn, ...]:
        report(Step("speakers", 0, 0))
        return read_rttm(self.turns) if self.turns is not None else find_turns(recording, spans)

    def words(
        self, recording: Path, spans: Sequence[Span], work: Work, report: Hook
    ) -> list[Transcript]:
        """Transcripts of all spans; those of a killed run are taken over."""
        known = {transcript.span: transcript for transcript in work.transcripts()}
        left = [span for span in spans if span not in known]
        report(Step("words", len(spans) - len(left), len(spans)))
        if left:
            transcriber = Transcriber(self.whisper, language=self.language)
            with work.keeping_transcripts() as keep:
                for transcript in transcriber.transcribe(recording, left):
                    keep(transcript)
                    known[transcript.span] = transcript
                    report(Step("words", len(known), len(spans)))
        return [known[span] for span in spans]


def spoken(recording: Path, work: Work, report: Hook) -> tuple[Span, ...]:
    """Spans of speech, found once."""
    known = work.spans()
    if known is not None:
        return known
    report(Step("speech", 0, 0))
    spans = find_speech(recording)
    work.keep_spans(spans)
    return spans


def fits(utterances: Sequence[Utterance], spans: Sequence[Span]) -> bool:
    """Whether somebody speaks in a third or more of the time of the cues.

    [decided] Cues last longer than the words in them, and actors whisper: of the cues of the right
    film more than a third is speech, of those of another one about as much as of any time in it.
    """
    cued = spoken_in = 0.0
    for utterance in utterances:
        if utterance.start is None or utterance.end is None:
            continue
        cued += utterance.end - utterance.start
        spoken_in += sum(
            max(min(span.end, utterance.end) - max(span.start, utterance.start), 0)
            for span in spans
        )
    return cued == 0 or spoken_in / cued >= 1 / 3


def cut_at_turns(spans: Sequence[Span], turns: Sequence[Turn]) -> tuple[Span, ...]:
    """Spans cut where another speaker begins; no piece is shorter than a quarter of a second."""
    begins = sorted(
        turn.start for before, turn in pairwise(turns) if before.speaker != turn.speaker
    )
    pieces = []
    for span in spans:
        start = span.start
        for cut in begins:
            if start + SHORTEST <= cut <= span.end - SHORTEST:
                pieces.append(Span(start, cut))
                start = cut
        pieces.append(Span(start, span.end))
    return tuple(pieces)


def utterances_of(transcripts: Sequence[Transcript]) -> tuple[Utterance, ...]:
    """Utterances ``1``, ``2``, ... of a speaker yet unknown."""
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


def doubts(transcripts: Sequence[Transcript]) -> tuple[str, ...]:
    """What to say of words that may be wrong."""
    uncertain = sum(transcript.uncertain for transcript in transcripts)
    if 2 * uncertain > len(transcripts):
        return (
            f"Of {len(transcripts)} utterances the words of {uncertain} are uncertain: the "
            "recording may be in another language than the transcriber knows, or hard to hear.",
        )
    return ()
