"""Read timed words from a file: CTM, or the JSON of a transcriber."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mmerc.errors import InputError
from mmerc.media.cue_text import only_sounds
from mmerc.media.line_remarks import LineRemarks
from mmerc.media.sentences import Word
from mmerc.media.text_files import read_small_text
from mmerc.media.word_files.ctm import is_ctm, read_ctm
from mmerc.media.word_files.pieces import (
    Piece,
    WrittenSegment,
    check_order,
    fill_times,
    join_pieces,
    spread_words,
)
from mmerc.media.word_files.transcript_json import is_json, read_transcript_json

_LARGEST_BYTES = 64 * 2**20
_MOST_WORDS = 500_000
_LONGEST = 360_000.0  # seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class TimedWords:
    """The words of a file, sorted by start, with remarks on reading it.

    ``language``: the code or name stated in the file. Some words may have a speaker.
    """

    words: tuple[Word, ...]
    language: str | None = None
    remarks: tuple[str, ...] = ()


def read_words(path: str | Path, *, media: str | Path | None = None) -> TimedWords:
    """Read timed words; the format is detected from the content (docs/formats.md).

    Of several recordings in a CTM file, the one with the name of the file ``media`` is read. Words
    without times are placed between their neighbours. If a segment has no word times, its time is
    divided in proportion to word length. Both give a remark.

    InputError, with the position, for an unknown format, invalid times or probabilities, words that
    end before they start or after 100 hours, no words, more than 500,000 words, or a file of more
    than 64 MB.
    """
    path = Path(path)
    # whisper.cpp writes tokens and may split a character.
    text = read_small_text(path, largest=_LARGEST_BYTES, errors="surrogateescape")
    if is_json(text):
        timed = _read_json(path, text)
    elif is_ctm(text):
        remarks = LineRemarks(path.name)
        words = tuple(read_ctm(str(path), text, remarks, media=media))
        timed = TimedWords(words=words, remarks=remarks.sentences())
    else:
        problem = "neither CTM nor the JSON of WhisperX, whisper.cpp, openai-whisper or "
        fix = "give one of these; subtitles belong to --subtitles"
        raise InputError(path, f"{problem}faster-whisper", fix)
    if not timed.words:
        raise InputError(path, "no spoken words in it", "give the words of the recording")
    if len(timed.words) > _MOST_WORDS:
        raise InputError(path, f"more than {_MOST_WORDS:,} words", "split it into parts")
    latest = max(timed.words, key=lambda word: word.end)
    if latest.end > _LONGEST:
        problem = f"{latest.text[:40]!r} ends at {latest.end:g} s, after 100 hours"
        raise InputError(path, problem, "write times in seconds, not in milliseconds")
    ordered = sorted(timed.words, key=lambda word: (word.start, word.end))
    return replace(timed, words=tuple(ordered))


def _read_json(path: Path, text: str) -> TimedWords:
    """Read the words of a JSON transcript."""
    transcript = read_transcript_json(str(path), text)
    spoken = [item for item in transcript.segments if not only_sounds(item.text)]
    silent = len(transcript.segments) - len(spoken)
    remarks = []
    if silent:
        remarks.append(
            f"{path.name}: {silent} of {len(transcript.segments)} segments are sounds, not words; "
            "left out."
        )
    rough = sum(not item.pieces and bool(item.text.strip()) for item in spoken)
    if rough:
        remarks.append(
            f"{path.name}: {rough} of {len(spoken)} segments have no times of words: their words "
            "share the segment's time by length."
        )
    words, missing = _collect_words(
        [item if item.pieces else replace(item, pieces=_spread(item)) for item in spoken]
    )
    if missing:
        remarks.append(
            f"{path.name}: {missing} of {len(words)} words have no times; they are placed between "
            "their neighbours."
        )
    return TimedWords(words=words, language=transcript.language, remarks=tuple(remarks))


def _spread(segment: WrittenSegment) -> tuple[Piece, ...]:
    """Split a segment without words into pieces that start with a space."""
    return tuple(replace(piece, text=f" {piece.text}") for piece in spread_words(segment))


def _collect_words(segments: Sequence[WrittenSegment]) -> tuple[tuple[Word, ...], int]:
    """Collect the words of all segments, and the number without times."""
    words: list[Word] = []
    missing = 0
    for segment in join_pieces(segments):
        for piece in segment.pieces:
            if piece.start is not None and piece.end is not None:
                check_order(f"{segment.where}, {piece.text.strip()!r:.40}", piece.start, piece.end)
        filled, count = fill_times(segment)
        words += filled
        missing += count
    return tuple(words), missing
