"""Find and read subtitles embedded in a film."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import av
from av.container import InputContainer
from av.stream import Disposition
from av.subtitles.stream import SubtitleStream
from av.subtitles.subtitle import AssSubtitle

from mmerc.errors import InputError
from mmerc.media.container import open_media, stated_language
from mmerc.media.segment import MediaError
from mmerc.media.stream_frames import origin
from mmerc.media.timed_cues import Cue

_TEXT_CODECS = frozenset({"ass", "mov_text", "srt", "ssa", "subrip", "text", "webvtt"})
_FIELDS = 8  # number of fields of a dialogue line before its words


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddedSubtitles:
    """The cues of one track, numbered from 1, with language and remarks."""

    cues: tuple[Cue, ...]
    language: str | None
    remarks: tuple[str, ...]


def embedded_subtitle_remarks(path: Path) -> tuple[str, ...]:
    """Remark on readable embedded subtitles of a recording, with their languages."""
    try:
        with open_media(path) as container:
            languages = [stated_language(stream) or "unknown" for stream in _readable(container)]
    except MediaError:
        return ()
    if not languages:
        return ()
    listed = ", ".join(languages)
    use = f"to use their words, pass --subtitles {path.name}"
    return (f"The film has embedded subtitles ({listed}); {use}.",)


def read_embedded_subtitles(path: Path) -> EmbeddedSubtitles:
    """Read the film's default or first subtitles; times are in milliseconds of the film.

    InputError without text subtitles; subtitles of discs are pictures.
    """
    with open_media(path) as container:
        readable = _readable(container)
        if not readable:
            pictures = any(_codec(stream) for stream in container.streams.subtitles)
            problem = "its subtitles are images" if pictures else "no embedded subtitles"
            raise InputError(path, problem, "give them as SRT or WebVTT")
        stream = next((s for s in readable if s.disposition & Disposition.default), readable[0])
        language, others = stated_language(stream), [s for s in readable if s is not stream]
        remarks: tuple[str, ...] = ()
        if others:
            listed = ", ".join(stated_language(other) or "unknown" for other in others)
            used = language or "unknown"
            remarks = (
                f"{path.name} has several subtitles; those marked as its own are used ({used}), "
                f"not the others ({listed}).",
            )
        cues = _read_cues(container, stream)
    if not cues:
        raise InputError(path, "its subtitles have no cue", "give them as SRT or WebVTT")
    return EmbeddedSubtitles(cues=tuple(cues), language=language, remarks=remarks)


def _readable(container: InputContainer) -> list[SubtitleStream]:
    """Return the text tracks."""
    return [stream for stream in container.streams.subtitles if _codec(stream) in _TEXT_CODECS]


def _codec(stream: SubtitleStream) -> str:
    """Return the name of a track's codec; empty if FFmpeg does not know it."""
    return stream.codec_context.name if stream.codec_context is not None else ""


def _read_cues(container: InputContainer, stream: SubtitleStream) -> list[Cue]:
    """Read the cues of a track that have words."""
    zero = origin(container)
    cues: list[Cue] = []
    for packet in container.demux(stream):
        if packet.pts is None or packet.time_base is None:
            continue
        start = round(float(packet.pts * packet.time_base - zero) * 1000)
        end = start + round(float((packet.duration or 0) * packet.time_base) * 1000)
        try:
            subtitles = list(packet.decode())
        except av.FFmpegError:
            subtitles = []
        for subtitle in subtitles:
            if isinstance(subtitle, AssSubtitle):
                cues.append(_to_cue(subtitle, number=len(cues) + 1, start=start, end=end))
    return cues


def _to_cue(subtitle: AssSubtitle, *, number: int, start: int, end: int) -> Cue:
    """Build the cue of a decoded line: order, layer, style, name, three margins, effect, words.

    FFmpeg passes on a film's own ASS lines, which may have fewer fields; then everything is words.
    """
    line = subtitle.ass.decode(errors="replace")
    fields = line.split(",", _FIELDS)
    name, text = (fields[3].strip(), fields[-1]) if len(fields) > _FIELDS else ("", line)
    return Cue(line=number, start=start, end=end, text=text, name=name)
