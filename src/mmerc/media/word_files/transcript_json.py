"""Read the JSON of openai-whisper, faster-whisper, WhisperX and whisper.cpp.

Written by: ``whisper --word_timestamps True``, ``whisper-ctranslate2``, whisper-timestamped, the
dataclasses of faster-whisper, ``whisperx``, and ``whisper-cli -oj`` or ``-ojf``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from mmerc.errors import InputError
from mmerc.media.word_files.pieces import FIX, Piece, WrittenSegment, check_order, read_seconds
from mmerc.parsing import parse_json

_PROGRAMS = "WhisperX, whisper.cpp, openai-whisper or faster-whisper"
_SPECIAL_TOKEN = re.compile(r"\[_[A-Z]+_?\d*\]|<\|[^|]*\|>|\[SPEAKER_TURN\]")
_TEXTS = ("word", "text")
_PROBABILITIES = ("probability", "score", "confidence")


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscriptJson:
    """The segments of a transcript and its stated language."""

    segments: tuple[WrittenSegment, ...]
    language: str | None


def is_json(text: str) -> bool:
    """Whether a text starts like JSON."""
    return text.lstrip()[:1] in {"{", "["}


def read_transcript_json(path: str, text: str) -> TranscriptJson:
    """Read a transcript; ``path`` is used in errors.

    InputError, with segment and word, for an invalid structure, time or probability; also for a key
    that occurs twice.
    """
    value = parse_json(text, where=path, fix="export the words again")
    content: Mapping[str, Any] = value if isinstance(value, dict) else {"segments": value}
    if "transcription" in content:
        language = _read_entry(path, content, "result", dict, {}).get("language")
        segments = list(_read_whisper_cpp(path, content))
    else:
        language, segments = content.get("language"), list(_read_segments(path, content))
    if not segments:
        raise InputError(path, "no words in it", f"give the JSON of {_PROGRAMS}")
    return TranscriptJson(
        segments=tuple(segments), language=language if isinstance(language, str) else None
    )


def _read_segments(path: str, content: Mapping[str, Any]) -> Iterator[WrittenSegment]:
    """Yield segments with words, or the whole file's words if segments have none."""
    segments = _read_entry(path, content, "segments", list, [])
    has_words = any(isinstance(item, dict) and item.get("words") for item in segments)
    flat = next((name for name in ("word_segments", "words") if content.get(name)), None)
    if flat is not None and not has_words:
        words = _read_entry(path, content, flat, list, [])
        pieces = tuple(_read_piece(f"{path}, word {n}", w) for n, w in enumerate(words, start=1))
        ends = [piece.end for piece in pieces if piece.end is not None]
        yield WrittenSegment(where=path, start=0.0, end=max(ends, default=0.0), text="",
                             pieces=pieces)  # fmt: skip
        return
    if not segments and "segments" not in content:
        problem = "no transcript (it has none of 'segments', 'words' and 'transcription')"
        raise InputError(path, problem, f"give the JSON of {_PROGRAMS}")
    for number, item in enumerate(segments, start=1):
        where = f"{path}, segment {number}"
        yield _read_segment(where, _check_object(where, item))


def _read_segment(where: str, item: Mapping[str, Any]) -> WrittenSegment:
    """Read a segment in the format of the Whisper family."""
    words = _read_entry(where, item, "words", list, [])
    return _build_segment(
        where,
        read_seconds(where, "start", item.get("start")),
        read_seconds(where, "end", item.get("end")),
        text=_read_entry(where, item, "text", str, ""),
        pieces=tuple(_read_piece(f"{where}, word {n}", w) for n, w in enumerate(words, start=1)),
        speaker=_read_speaker(where, item),
    )


def _read_piece(where: str, value: object) -> Piece:
    """Read a word; unaligned words of WhisperX have no times or NaN."""
    item = _check_object(where, value)
    text = next((item[name] for name in _TEXTS if isinstance(item.get(name), str)), None)
    if text is None:
        raise InputError(where, "it has no 'word'", FIX)
    start, end = (
        None if _is_missing(item.get(name)) else read_seconds(where, name, item[name])
        for name in ("start", "end")
    )
    if start is not None and end is not None:
        check_order(where, start, end)
    probability = next((item[n] for n in _PROBABILITIES if not _is_missing(item.get(n))), 1.0)
    return Piece(
        text=text,
        start=start,
        end=end,
        probability=_read_probability(where, probability),
        speaker=_read_speaker(where, item),
    )


def _is_missing(value: object) -> bool:
    """Whether a number is missing: null or NaN."""
    return value is None or (isinstance(value, float) and math.isnan(value))


def _read_whisper_cpp(path: str, content: Mapping[str, Any]) -> Iterator[WrittenSegment]:
    """Yield the segments of whisper.cpp; offsets are in milliseconds."""
    segments = _read_entry(path, content, "transcription", list, [])
    for number, value in enumerate(segments, start=1):
        where = f"{path}, segment {number}"
        item = _check_object(where, value)
        start, end = _read_offsets(where, item)
        speaker = _read_speaker(where, item)
        yield _build_segment(
            where,
            start,
            end,
            text=_SPECIAL_TOKEN.sub("", _read_entry(where, item, "text", str, "")),
            pieces=tuple(_read_tokens(where, item)),
            speaker=None if speaker is None else f"speaker {speaker}",
        )


def _read_tokens(where: str, item: Mapping[str, Any]) -> Iterator[Piece]:
    """Yield the tokens of a segment that are text."""
    tokens = _read_entry(where, item, "tokens", list, [])
    for number, value in enumerate(tokens, start=1):
        inside = f"{where}, token {number}"
        token = _check_object(inside, value)
        text = _read_entry(inside, token, "text", str, "")
        if _SPECIAL_TOKEN.fullmatch(text.strip()):
            continue
        start, end = _read_offsets(inside, token) if "offsets" in token else (None, None)
        yield Piece(
            text=text,
            start=start,
            end=end,
            probability=_read_probability(inside, token.get("p", 1.0)),
        )


def _read_offsets(where: str, item: Mapping[str, Any]) -> tuple[float, float]:
    """Read start and end in seconds."""
    offsets = _read_entry(where, item, "offsets", dict, {})
    return (
        read_seconds(where, "offsets.from", offsets.get("from")) / 1000,
        read_seconds(where, "offsets.to", offsets.get("to")) / 1000,
    )


def _build_segment(
    where: str, start: float, end: float, *, text: str, pieces: tuple[Piece, ...],
    speaker: str | None,
) -> WrittenSegment:  # fmt: skip
    check_order(where, start, end)
    segment = WrittenSegment(
        where=where, start=start, end=end, text=text, pieces=pieces, speaker=speaker
    )
    if speaker == "speaker ?":  # whisper.cpp did not recognise the speaker
        return replace(segment, speaker=None)
    return segment


def _read_speaker(where: str, item: Mapping[str, Any]) -> str | None:
    """Read the speaker's name; numbers are allowed."""
    value = item.get("speaker")
    if value is None or isinstance(value, int):
        return None if value is None else str(value)
    return str(_read_entry(where, item, "speaker", str, "")).strip() or None


def _read_probability(where: str, value: object) -> float:
    if not isinstance(value, int | float) or not 0 <= value <= 1:
        raise InputError(where, f"its probability is {value!r:.40}, not from 0 to 1", FIX)
    return float(value)


def _read_entry(where: str, item: Mapping[str, Any], name: str, kind: type, default: Any) -> Any:
    """Read an entry of a type; ``default`` if it is missing or null."""
    value = item.get(name)
    if value is None:
        return default
    if not isinstance(value, kind):
        kinds = {"list": "a list", "dict": "an object", "str": "text"}
        raise InputError(where, f"{name!r} is not {kinds[kind.__name__]}", FIX)
    return value


def _check_object(where: str, value: object) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise InputError(where, "not an object with named entries", FIX)
    return value
