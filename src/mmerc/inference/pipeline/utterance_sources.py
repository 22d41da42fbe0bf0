"""Sources of a recording's utterances: its subtitles, or its speech."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmerc.conversation import Utterance
from mmerc.inference.pipeline.overlaps import measure_overlaps
from mmerc.inference.pipeline.progress import Hook, Step
from mmerc.inference.pipeline.segmentation import Segmentation
from mmerc.inference.pipeline.sentence_utterances import mark_utterances, number_sentences
from mmerc.inference.pipeline.source_remarks import (
    overlap_remarks,
    uncertainty_remarks,
    unnamed_remarks,
    wordless_remarks,
    words_are_uncertain,
)
from mmerc.inference.pipeline.speech_stages import (
    VoiceSearch,
    check_against_speech,
    check_times,
    find_spans,
    find_speakers,
    fingerprint_input,
)
from mmerc.inference.pipeline.spoken_language import language_remarks, recognise_language
from mmerc.inference.pipeline.work_folder import WorkFolder
from mmerc.media.decode import MediaInfo
from mmerc.media.embedded_subtitles import embedded_subtitle_remarks
from mmerc.media.languages import language_code
from mmerc.media.segment import MediaError
from mmerc.media.sentences import split_sentences
from mmerc.media.speaker_turns import (
    UNKNOWN_SPEAKER,
    SpeakerTurns,
    Turn,
    assign_speakers,
    read_rttm,
)
from mmerc.media.subtitles import UNNAMED, read_subtitles
from mmerc.media.transcription import EMBEDDED_MODEL, Transcriber, Transcript, detect_language
from mmerc.media.turn_edges import (
    align_sentences,
    choose_spoken,
    find_speech_without_words,
    widen_spans,
)
from mmerc.media.voice_activity import Span


@dataclass(frozen=True, slots=True, kw_only=True)
class FromSubtitles:
    """One utterance per cue, with speakers from the cues, else from an RTTM file.

    ``language``: language code of the cues, None if unknown.
    """

    subtitles: Path
    turns: Path | None = None
    language: str | None = None

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
            raise MediaError(self.subtitles, problem, "give subtitles of the speech")
        late = check_times(self.subtitles, utterances, recording, info, what="cues")
        remarks = [*subtitles.remarks, *late]
        if info.has_sound:
            remarks += check_against_speech(recording, utterances, work, report, what="subtitles")
        turns = SpeakerTurns(turns=())
        if self.turns is not None:
            turns = read_rttm(self.turns, media=recording)
        if turns.turns:
            utterances = assign_speakers(utterances, turns.turns)
            remarks = [line for line in remarks if UNNAMED not in line]  # the turns name them
            remarks += [*turns.remarks, *unnamed_remarks(utterances)]
        overlaps = measure_overlaps(utterances, turns.turns)
        remarks += overlap_remarks(overlaps)
        marks = mark_utterances(utterances, overlaps, {})
        return Segmentation(
            utterances=utterances,
            remarks=tuple(remarks),
            marks=marks,
            language=language_code(self.language) or subtitles.language,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class FromSpeech:
    """Utterances from transcription: one sentence of one speaker each.

    ``whisper`` and ``language`` as in ``mmerc.media.transcription.Transcriber``. Speakers come from
    ``turns``, an RTTM file, or else from diarization (``voices``). ``as_live``: utterances begin
    and end with their words, as in live analysis, which cannot wait for the turns
    (``mmerc.media.turn_edges``).
    """

    whisper: str = EMBEDDED_MODEL
    language: str | None = None
    turns: Path | None = None
    voices: VoiceSearch = field(default_factory=VoiceSearch)
    as_live: bool = False

    def settings(self) -> dict[str, Any]:
        return {
            "whisper": self.whisper,
            "language": self.language,
            "turns": None if self.turns is None else fingerprint_input(self.turns),
            "as_live": self.as_live,
            **self.voices.settings(),
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
            raise MediaError(recording, problem, "give its subtitles if it contains speech")
        turns, remarks = find_speakers(recording, self.turns, self.voices, work=work, report=report)
        voices = () if self.as_live else choose_spoken(turns, spans)
        exact = self.turns is None  # turns from a file may include pauses
        spoken = widen_spans(spans, voices) if voices and exact else spans
        transcripts = self.words(recording, spoken, work, report)
        edges = () if self.as_live else turns
        utterances, doubtful = _build_utterances(
            transcripts, turns, edges=edges, voices=voices, exact=exact
        )
        overlaps = measure_overlaps(utterances, turns)
        languages = recognise_language(transcripts)
        remarks = (
            *remarks,
            *embedded_subtitle_remarks(recording),
            *(language_remarks(languages) if self.language is None else ()),
            *self.doubts(recording, transcripts),
            *wordless_remarks(utterances),
            *overlap_remarks(overlaps),
        )
        marks = mark_utterances(utterances, overlaps, doubtful)
        language = language_code(self.language) or next(iter(languages), None)
        return Segmentation(utterances=utterances, remarks=remarks, marks=marks, language=language)

    def doubts(self, recording: Path, transcripts: Sequence[Transcript]) -> tuple[str, ...]:
        """Remark if the transcript is doubtful, with the language of the longest span.

        tiny.en cannot detect languages; the multilingual model is used if it is installed.
        """
        english_only = self.whisper == EMBEDDED_MODEL
        heard = None
        if english_only and words_are_uncertain(transcripts):
            longest = max((t.span for t in transcripts), key=lambda span: span.end - span.start)
            heard = detect_language(recording, longest)
        return uncertainty_remarks(transcripts, english_only=english_only, heard=heard)

    def words(
        self, recording: Path, spans: Sequence[Span], work: WorkFolder, report: Hook
    ) -> list[Transcript]:
        """Transcribe all spans, reusing results of an interrupted run."""
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


def _build_utterances(
    transcripts: Sequence[Transcript],
    turns: Sequence[Turn],
    *,
    edges: Sequence[Turn] = (),
    voices: Sequence[Turn] = (),
    exact: bool = True,
) -> tuple[tuple[Utterance, ...], Mapping[str, tuple[tuple[int, int], ...]]]:
    """Build utterances from sentences, and from speech without recognised words.

    ``edges`` set the sentences' start and end; speech is where ``voices`` (throughout them if
    ``exact``) and a transcript have it. Also returns the text spans of doubtful words by utterance.
    """
    words = [word for transcript in transcripts for word in transcript.words]
    sentences = align_sentences(split_sentences(words, turns), edges)
    unheard = find_speech_without_words(sentences, voices, parts=exact)
    silent = [item.span for item in transcripts if not item.words]
    wordless = [_without_words(turn.speaker, turn) for turn in unheard] + [
        _without_words(UNKNOWN_SPEAKER, span)
        for span in silent
        if not any(turn.start < span.end and turn.end > span.start for turn in unheard)
    ]
    utterances, doubtful = number_sentences(sentences, wordless)
    return assign_speakers(utterances, turns), doubtful


def _without_words(speaker: str, part: Turn | Span) -> Utterance:
    """Build an utterance without recognised words."""
    return Utterance(id="wordless", speaker=speaker, text="", start=part.start, end=part.end)
