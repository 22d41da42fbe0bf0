"""Read frames of an utterance's film for face detection and for mouth movement."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import chain
from typing import Literal

from mmerc.media.decode import FilmReader, Frame, Reason
from mmerc.media.pictures import Pixels
from mmerc.media.segment import Clip, MediaError

FRAME_HEIGHT = 480  # pixels; higher films are scaled down
Half = Literal["left", "right"]
_MOST_HELD = 64 * 2**20  # bytes of decoded frames: 5.6 s of 640 x 480, 25 frames a second


def read_halves(
    reader: FilmReader, film: Clip, times: Sequence[float], *, half: Half | None
) -> Iterator[Pixels]:
    """Read the frames, or the speaker's half of them, up to the end of the film.

    A file's sound may be longer than its film: MediaError only if the film ends before the
    utterance starts.
    """
    count = 0
    try:
        for frame in reader.read(film.path, times, height=FRAME_HEIGHT):
            yield _cut(frame, half)
            count += 1
    except MediaError as error:
        if error.reason != Reason.PAST_FILM or not count:
            raise


def read_with_looks(
    reader: FilmReader,
    film: Clip,
    times: Sequence[float],
    looks: Sequence[float],
    *,
    half: Half | None,
) -> tuple[list[Pixels], Iterator[Pixels]]:
    """Read frames at ``times`` and at ``looks`` like ``read_halves``, but decode them once.

    Frames that do not fit into memory are decoded again when needed.
    """
    wanted, looked = frozenset(times), frozenset(looks)
    frames: list[Pixels] = []
    held: list[Frame] = []
    memory, ended = 0, False
    try:
        for frame in reader.read(film.path, sorted(wanted | looked), height=FRAME_HEIGHT):
            if frame.time in wanted:
                frames.append(_cut(frame, half))
            if frame.time in looked and memory < _MOST_HELD:
                held.append(frame)
                memory += frame.memory
    except MediaError as error:
        if error.reason != Reason.PAST_FILM or not frames:  # one of them may be readable
            separately = partial(read_halves, reader, film, half=half)
            return list(separately(times)), separately(looks)
        ended = True
    first = (_cut(frame, half) for frame in held)
    rest = looks[len(held) :]
    if not rest or (ended and memory < _MOST_HELD):
        return frames, first
    return frames, chain(first, _read_rest(reader, film, rest, half=half))


def _read_rest(
    reader: FilmReader, film: Clip, times: Sequence[float], *, half: Half | None
) -> Iterator[Pixels]:
    """Like ``read_halves``, for a film that may have ended before."""
    try:
        yield from read_halves(reader, film, times, half=half)
    except MediaError as error:
        if error.reason != Reason.PAST_FILM:
            raise


def _cut(frame: Frame, half: Half | None) -> Pixels:
    """Return the frame, or a half of it."""
    pixels = frame.pixels
    middle = pixels.shape[1] // 2
    return {"left": pixels[:, :middle], "right": pixels[:, middle:], None: pixels}[half]
