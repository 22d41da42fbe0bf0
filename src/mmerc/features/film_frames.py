"""Frames of an utterance's film: those in which faces are detected, and those of moving mouths."""

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
    """The frames, or the half in which the speaker sits, up to the end of the film.

    A file's sound may be longer than its film: MediaError only if the film ends before the
    utterance begins.
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
    """Frames at ``times``, and those at ``looks``: ``read_halves`` of both, decoded once.

    What does not fit into memory is decoded again when it is looked at.
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
        if error.reason != Reason.PAST_FILM or not frames:  # one of both may be readable
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
    """``read_halves`` of a film that may have ended before."""
    try:
        yield from read_halves(reader, film, times, half=half)
    except MediaError as error:
        if error.reason != Reason.PAST_FILM:
            raise


def _cut(frame: Frame, half: Half | None) -> Pixels:
    """The frame, or a half of it."""
    pixels = frame.pixels
    middle = pixels.shape[1] // 2
    return {"left": pixels[:, :middle], "right": pixels[:, middle:], None: pixels}[half]
