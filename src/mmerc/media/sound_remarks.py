"""Remarks on which part of a recording's sound is read."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from av.audio.stream import AudioStream
from av.container import InputContainer

from mmerc.media.channel_mix import choose_mix
from mmerc.media.container import open_media, sound_stream, stated_language
from mmerc.media.segment import MediaError
from mmerc.media.wav_length import wav_length_remarks


def sound_remarks(path: Path) -> tuple[str, ...]:
    """Remark on other sound tracks, on channels that cancel each other, and on a WAV's length."""
    remarks: tuple[str, ...] = ()
    with suppress(MediaError), open_media(path) as container:  # reported when the sound is read
        used = sound_stream(container, path)
        remarks = (*_track_remarks(path, container, used), *_channel_remarks(path, used))
    return (*remarks, *wav_length_remarks(path))


def _track_remarks(path: Path, container: InputContainer, used: AudioStream) -> tuple[str, ...]:
    """Remark on which of several sound tracks is used."""
    tracks = {stream.index: stated_language(stream) for stream in container.streams.audio}
    if len(tracks) < 2:
        return ()
    listed = ", ".join(language or "unknown" for language in tracks.values())
    number, other = list(tracks).index(used.index) + 1, 1 if used.index == min(tracks) else 0
    return (
        f"The recording has {len(tracks)} sound tracks ({listed}); only track {number} is used. To "
        f"use another one, save it as a file: ffmpeg -i {path.name} -map 0:a:{other} other.wav.",
    )


def _channel_remarks(path: Path, used: AudioStream) -> tuple[str, ...]:
    """Remark on channels that cancel each other; parts of them are decoded."""
    channel = choose_mix(path).channel if used.channels > 1 else None
    if channel is None:
        return ()
    return (f"The channels cancel each other; channel {channel + 1}, the loudest, is used.",)
