"""Read frames of a film at given times, by decoding further or by seeking."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from itertools import pairwise
from pathlib import Path

from av.video.frame import VideoFrame

from mmerc.media.container import Reason, film_stream
from mmerc.media.ogg_links import find_links
from mmerc.media.segment import MediaError
from mmerc.media.stream_frames import opened_at
from mmerc.media.video_frames import Converter, Frame, square_size

_FORWARD = 5.0  # seconds; up to this distance, decoding is cheaper than seeking
_ROUNDING = 1e-6  # seconds; tolerance between times and time stamps


def read_frames(
    path: Path, times: Sequence[float], *, height: int | None = None
) -> Iterator[Frame]:
    """Read the frame shown at each of ``times`` (ascending, seconds).

    It is the last frame that starts at or before the time, else the first frame. Frames are turned
    upright, have square pixels, and are scaled down to ``height`` if higher. Only a few frames are
    in memory at a time.

    MediaError for a time past the end or in a damaged part; ValueError if times are not ascending
    or not finite.
    """
    with closing(FilmReader()) as reader:
        yield from reader.read(path, times, height=height)


class FilmReader:
    """Reads frames of films and keeps the file open, because successive times are often close.

    Successive utterances are then decoded without seeking back to a key frame for each.
    """

    def __init__(self) -> None:
        self._film: _OpenFilm | None = None

    def read(
        self, path: Path, times: Sequence[float], *, height: int | None = None
    ) -> Iterator[Frame]:
        """Read frames like ``read_frames``."""
        if not all(map(math.isfinite, times)) or any(a > b for a, b in pairwise(times)):
            raise ValueError("times of frames must be finite and ascend")
        convert = Converter(height=height)
        earlier = self._film
        if earlier is not None and not earlier.continues(path):
            self.close()
        for time in times:
            film = self._film
            resumed = film is not None and film is earlier and film.reaches(time)
            try:
                decoded, size = self._frame_at(path, time)
            except MediaError:
                if not resumed:
                    raise
                decoded, size = self._frame_at(path, time)  # the damage may be before this time
            yield Frame(time=time, size=size, decoded=decoded, convert=convert)

    def close(self) -> None:
        """Close the film that was read last."""
        if self._film is not None:
            self._film.close()
            self._film = None

    def _frame_at(self, path: Path, time: float) -> tuple[VideoFrame, tuple[int, int]]:
        """Return the frame at a time and its size in square pixels; seek if that is faster."""
        if self._film is None or not self._film.reaches(time):
            self.close()
            self._film = _OpenFilm(path, time)
        try:
            return self._film.frame_at(time)
        except MediaError:
            self.close()
            raise


class _OpenFilm:
    """A film being decoded from a time on."""

    def __init__(self, path: Path, time: float) -> None:
        self.path = path
        self.identity = _identify(path)
        self.current: VideoFrame | None = None
        self.began = self.ended = self.lost = -math.inf
        self.time = time
        with ExitStack() as opened:
            self.stream, self.frames = opened.enter_context(opened_at(path, film_stream, time=time))
            self.ahead = next(self.frames, None)
            self.close = opened.pop_all().close

    def continues(self, path: Path) -> bool:
        """Whether ``path`` is this file, unchanged; links of a chained file differ in size."""
        return self.identity == _identify(path) and len(find_links(path)) < 2

    def reaches(self, time: float) -> bool:
        """Whether decoding further reaches ``time`` faster than seeking."""
        return self.time <= time <= self.time + _FORWARD

    def frame_at(self, time: float) -> tuple[VideoFrame, tuple[int, int]]:
        """Decode up to ``time``; MediaError past the end or for a missing frame."""
        self.time = time
        while self.ahead is not None and (
            self.current is None or self.ahead.time <= time + _ROUNDING
        ):
            if isinstance(self.ahead.frame, VideoFrame):
                self.current = self.ahead.frame
                self.began, self.ended = self.ahead.time, self.ahead.end
            else:
                self.lost = max(self.lost, self.ahead.time)
            self.ahead = next(self.frames, None)
        if self.current is None or self.began < self.lost <= time + _ROUNDING:
            raise Reason.NOT_MEDIA.at(self.path)
        if self.ahead is None and time >= self.ended:
            raise Reason.PAST_FILM.at(self.path)
        return self.current, square_size(self.current, self.stream, self.path)


def _identify(path: Path) -> tuple[Path, int, int, int] | None:
    """Identify a file and its content; None if it cannot be read."""
    try:
        status = path.stat()
    except OSError:
        return None
    return path, status.st_ino, status.st_size, status.st_mtime_ns
