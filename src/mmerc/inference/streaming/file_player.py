"""Play a recording as input of a live session: sound and pictures in order of time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mmerc.features.film_frames import FRAME_HEIGHT
from mmerc.media.decode import SAMPLE_RATE, MediaInfo, Reason, probe, read_frames
from mmerc.media.resampling import Samples
from mmerc.media.segment import MediaError
from mmerc.media.voice_activity import read_pieces

_PIECE = SAMPLE_RATE // 10  # samples
_UNSTATED = 12 * 3600.0  # seconds; assumed if a file does not state its duration


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """Up to 0.1 s of sound from ``time`` (seconds) on, with its pictures.

    Shape: sound float32 [samples] at 16 kHz; pictures uint8 [H, W, 3].
    """

    time: float
    sound: Samples
    pictures: tuple[tuple[float, NDArray[np.uint8]], ...] = ()


def check_sound(path: Path) -> MediaInfo:
    """Inspect a file; MediaError if it is not a recording or has no sound."""
    info = probe(path)
    if not info.has_sound:
        raise MediaError(path, "the file has no sound", "give one with speech")
    return info


def play_file(path: str | Path, *, pictures_per_second: float) -> Iterator[Moment]:
    """Play a film or sound file, as fast as it can be read.

    MediaError if the sound is missing or damaged. If the pictures are damaged, only sound follows.
    """
    path = Path(path)
    info = check_sound(path)
    frames = _read_pictures(path, info.duration, pictures_per_second) if info.has_film else iter(())
    ahead = next(frames, None)
    count = 0
    for piece in _even_pieces(path):
        time = count / SAMPLE_RATE
        count += len(piece)
        pictures = []
        while ahead is not None and ahead[0] < count / SAMPLE_RATE:
            pictures.append(ahead)
            ahead = next(frames, None)
        yield Moment(time=time, sound=piece, pictures=tuple(pictures))


def _even_pieces(path: Path) -> Iterator[Samples]:
    """Yield the sound of a file in pieces of 0.1 s."""
    rest = np.zeros(0, np.float32)
    for piece in read_pieces(path):
        rest = np.concatenate([rest, piece])
        while len(rest) >= _PIECE:
            yield rest[:_PIECE]
            rest = rest[_PIECE:]
    if len(rest):
        yield rest


def _read_pictures(
    path: Path, duration: float | None, rate: float
) -> Iterator[tuple[float, NDArray[np.uint8]]]:
    """Yield pictures of a film at a constant rate, from the middle of each period."""
    seconds = _UNSTATED if duration is None else duration
    times = [(i + 0.5) / rate for i in range(int(seconds * rate))]
    try:
        for frame in read_frames(path, times, height=FRAME_HEIGHT):
            yield frame.time, frame.pixels
    except MediaError as error:
        if error.reason not in {Reason.PAST_FILM, Reason.NOT_MEDIA}:
            raise
