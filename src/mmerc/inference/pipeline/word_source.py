"""Utterances from timed words recognised by another program."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmerc.inference.pipeline.overlaps import measure_overlaps
from mmerc.inference.pipeline.progress import Hook
from mmerc.inference.pipeline.segmentation import Segmentation
from mmerc.inference.pipeline.sentence_utterances import mark_utterances, number_sentences
from mmerc.inference.pipeline.source_remarks import overlap_remarks, silent_turn_remarks
from mmerc.inference.pipeline.speech_stages import (
    VoiceSearch,
    check_against_speech,
    check_times,
    find_speakers,
    fingerprint_input,
)
from mmerc.inference.pipeline.work_folder import WorkFolder
from mmerc.media.decode import MediaInfo
from mmerc.media.languages import language_code
from mmerc.media.sentences import split_sentences
from mmerc.media.speaker_turns import Turn
from mmerc.media.turn_edges import find_speech_without_words
from mmerc.media.word_files.reader import TimedWords, read_words


@dataclass(frozen=True, slots=True, kw_only=True)
class FromWords:
    """One utterance per sentence of a word file (``mmerc.media.word_files.reader``).

    Speakers come from ``turns`` (an RTTM file), else from the word file, else from diarization
    (``voices``). ``language``: the language code; None: as stated in the file.
    """

    words: Path
    turns: Path | None = None
    voices: VoiceSearch = field(default_factory=VoiceSearch)
    language: str | None = None

    def settings(self) -> dict[str, Any]:
        return {
            "words": fingerprint_input(self.words),
            "turns": None if self.turns is None else fingerprint_input(self.turns),
            **self.voices.settings(),
        }

    def __call__(
        self, recording: Path, info: MediaInfo, *, work: WorkFolder, report: Hook
    ) -> Segmentation:
        timed = read_words(self.words, media=recording)
        turns, remarks = self.speakers(timed, recording, info, work, report)
        sentences = split_sentences(timed.words, turns)
        silent = (
            () if self.turns is None else find_speech_without_words(sentences, turns, parts=False)
        )
        utterances, doubtful = number_sentences(sentences)
        overlaps = measure_overlaps(utterances, turns)
        late = check_times(self.words, utterances, recording, info, what="sentences")
        remarks = (*timed.remarks, *late, *remarks, *silent_turn_remarks(silent, turns))
        remarks = (*remarks, *overlap_remarks(overlaps))
        if info.has_sound:
            unmatched = check_against_speech(recording, utterances, work, report, what="words")
            remarks = (*remarks, *unmatched)
        marks = mark_utterances(utterances, overlaps, doubtful)
        language = language_code(self.language or timed.language)
        return Segmentation(utterances=utterances, remarks=remarks, marks=marks, language=language)

    def speakers(
        self, timed: TimedWords, recording: Path, info: MediaInfo, work: WorkFolder, report: Hook
    ) -> tuple[tuple[Turn, ...], tuple[str, ...]]:
        """Return the speaker turns (none if the words name speakers) and remarks on them."""
        labelled = sum(word.speaker is not None for word in timed.words)
        if labelled and self.turns is None:
            rest = len(timed.words) - labelled
            if not rest:
                return (), ()
            return (), (
                f"{rest} of {len(timed.words)} words have no speaker; they get those of their "
                "neighbours.",
            )
        if self.turns is None and not info.has_sound:
            return (), (
                "The speakers are unknown: the words have no speakers, and there is no sound.",
            )
        turns, remarks = find_speakers(recording, self.turns, self.voices, work=work, report=report)
        if labelled and self.turns is not None:
            ignored = f"Speakers are those of {self.turns.name}, not those of {self.words.name}."
            remarks = (*remarks, ignored)
        return turns, remarks
