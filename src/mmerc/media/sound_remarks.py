"""Remarks on which part of a recording's sound is read."""

from __future__ import annotations

from pathlib import Path

from mmerc.media.channel_mix import choose_mix
from mmerc.media.container import open_media, sound_stream, stated_language
from mmerc.media.segment import MediaError
from mmerc.media.wav_length import wav_length_remarks


def sound_remarks(path: Path) -> tuple[str, ...]:
    """Remark on other sound tracks, on channels that cancel each other, and on a WAV's length."""
    mix = choose_mix(path)
    cancelled = (
        (f"The channels cancel each other; channel {mix.channel + 1}, the loudest, is used.",)
        if mix.channel is not None
        else ()
    )
    return (*_track_remarks(path), *cancelled, *wav_length_remarks(path))


def _track_remarks(path: Path) -> tuple[str, ...]:
    """Remark on which of several sound tracks is used."""
    try:
        with open_media(path) as container:
            used = sound_stream(container, path).index
            tracks = {stream.index: stated_language(stream) for stream in container.streams.audio}
    except MediaError:  # reported when the sound is read
        return ()
    if len(tracks) < 2:
        return ()
    listed = ", ".join(language or "unknown" for language in tracks.values())
    number, other = list(tracks).index(used) + 1, 1 if used == min(tracks) else 0
    return (
        f"The recording has {len(tracks)} sound tracks ({listed}); only track {number} is used. To "
        f"use another one, save it as a file: ffmpeg -i {path.name} -map 0:a:{other} other.wav.",
    )
