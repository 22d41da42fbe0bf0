"""Where the utterances of a recording lie, what is said in them, and by whom."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mmerc.conversation import Utterance
from mmerc.errors import InputError, MmercError
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
LITTLE, NEARLY_ALL = 1 / 3, 0.9  # of the cued time
TOGETHER = 0.2  # correlation


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
            "subtitles": content(self.subtitles),
            "turns": None if self.turns is None else content(self.turns),
        }

    def __call__(self, recording: Path, info: MediaInfo, *, work: Work, report: Hook) -> Found:
        subtitles = read_subtitles(self.subtitles)
        utterances = subtitles.utterances
        if not utterances:
            problem = "no words in any cue, only music or described sounds"
            raise MediaError(self.subtitles, problem, "give subtitles of what is said")
        late = [u for u in utterances if info.duration and (u.start or 0) >= info.duration]
        if len(late) == len(utterances):
            problem = f"all of its cues lie past the end of {recording.name}"
            fix = "give the subtitles of this recording"
            raise MediaError(self.subtitles, problem, fix)
        remarks = list(subtitles.remarks)
        if late:
            remarks.append(f"{len(late)} of {len(utterances)} cues lie past the recording's end.")
        if info.has_sound:
            remarks += misfit(recording, utterances, work, report)
        if self.turns is not None:
            turns = read_rttm(self.turns)
            utterances = assign_speakers(utterances, turns.turns)
            remarks += turns.remarks
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
            "turns": None if self.turns is None else content(self.turns),
        }

    def __call__(self, recording: Path, info: MediaInfo, *, work: Work, report: Hook) -> Found:
        if not info.has_sound:
            problem = "no sound in the file, so that nothing can be transcribed"
            raise MediaError(recording, problem, "give its subtitles with --subtitles")
        spans = spoken(recording, work, report)
        if not spans:
            problem = "nobody speaks in it"
            raise MediaError(recording, problem, "give its subtitles if somebody does")
        turns, remarks = self.speakers(recording, spans, report)
        spans = cut_at_turns(spans, turns)
        transcripts = self.words(recording, spans, work, report)
        utterances = assign_speakers(utterances_of(transcripts), turns)
        return Found(utterances=utterances, remarks=(*remarks, *doubts(transcripts)))

    def speakers(
        self, recording: Path, spans: Sequence[Span], report: Hook
    ) -> tuple[tuple[Turn, ...], tuple[str, ...]]:
        """Who speaks when, and the remarks of the file that says so."""
        report(Step("speakers", 0, 0))
        if self.turns is None:
            return find_turns(recording, spans), ()
        turns = read_rttm(self.turns)
        return turns.turns, turns.remarks

    def words(
        self, recording: Path, spans: Sequence[Span], work: Work, report: Hook
    ) -> list[Transcript]:
        """Transcripts of all spans; those of a killed run are taken over."""
        wanted = set(spans)
        known = {kept.span: kept for kept in work.transcripts() if kept.span in wanted}
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


def content(path: Path) -> str:
    """Fingerprint of a file that the user named; InputError where it cannot be read."""
    try:
        return file_fingerprint(path)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise InputError(path, f"cannot be read ({reason})", "check the path") from error


def spoken(recording: Path, work: Work, report: Hook) -> tuple[Span, ...]:
    """Spans of speech, found once."""
    known = work.spans()
    if known is not None:
        return known
    report(Step("speech", 0, 0))
    spans = find_speech(recording)
    work.keep_spans(spans)
    return spans


def misfit(
    recording: Path, utterances: Sequence[Utterance], work: Work, report: Hook
) -> tuple[str, ...]:
    """What to say of subtitles by where somebody speaks; it is no reason to stop."""
    try:
        if fits(utterances, spoken(recording, work, report)):
            return ()
    except MediaError as error:
        return (f"Whether the subtitles fit is not known: {error.reason}.",)
    except InputError:  # a full disk
        raise
    except MmercError as error:
        return (f"Whether the subtitles fit is not known: {error}",)
    return (
        "What is spoken and the subtitles do not go together: they may be of another recording, "
        "or shifted in time.",
    )


def fits(utterances: Sequence[Utterance], spans: Sequence[Span]) -> bool:
    """Whether speech and cues go together.

    [decided] They do where nearly all of the cued time is spoken in, as with subtitles of some
    lines alone, and do not where less than a third is: cues last longer than the words in them, and
    actors whisper. In between they must begin and end alike. Of the two example films the
    correlation of cues and speech in time is 0.91 with their own subtitles, and -0.02 and 0.07 with
    each other's, though people speak in most of that time too. Not measured on real films.
    """
    end = max([*(item.end or 0.0 for item in utterances), *(span.end for span in spans)])
    cued = occupied([(item.start, item.end) for item in utterances], end)
    heard = occupied([(span.start, span.end) for span in spans], end)
    share = heard[cued].mean() if cued.any() else 1.0
    if not LITTLE <= share < NEARLY_ALL:
        return bool(share >= NEARLY_ALL)
    return bool(cued.all()) or float(np.corrcoef(cued, heard)[0, 1]) >= TOGETHER


def occupied(times: Sequence[tuple[float | None, float | None]], end: float) -> NDArray[np.bool_]:
    """Which tenths of a second from 0 to ``end`` lie within one of the times. Shape: -> [T]."""
    line = np.zeros(round(end * 10), bool)
    for start, stop in times:
        if start is not None and stop is not None:
            line[round(start * 10) : round(stop * 10)] = True
    return line


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
