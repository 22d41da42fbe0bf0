"""Crop the speaker's face from an utterance's film or pictures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial

import numpy as np

from mmerc.features.base import Absent
from mmerc.features.film_frames import read_halves, read_with_looks
from mmerc.media.decode import (
    FilmReader,
    decode_picture,
    frame_times,
    probe,
    read_clip,
    resize,
    to_grey,
)
from mmerc.media.faces.alignment import align_face
from mmerc.media.faces.detector import FaceDetector, Frame
from mmerc.media.faces.following import follow_faces
from mmerc.media.faces.lip_sync import describe_mouths, measure_sync, predict_mouth, weigh_sync
from mmerc.media.faces.speaking import LOOKS_PER_SECOND, Choice, choose
from mmerc.media.faces.tracks import Track, link_faces
from mmerc.media.faces.views import FaceViews, measure_frontality
from mmerc.media.segment import Clip, MediaError, Segment

_LONGEST_LOOK = 10.0  # seconds of an utterance for comparing mouths with the sound
NO_FACE, NO_FILM = "no face in any frame", "no film or picture"
NOT_ON_SCREEN = "no face of the speaker on screen"
SPEAKING_SYNC = 1.4  # [decided] standard deviations of mouth and sound: docs/results.md
_NO_LENGTH = "the film does not say how long it is"
_ALL_LOST = "every frame was lost"


@dataclass(frozen=True)
class SpeakerFaces:
    """Up to ``frames`` crops of the speaker's face, evenly spaced over the utterance.

    ``choice`` selects among several faces (``media/faces/speaking.py``). ``smallest`` is the
    minimum height of a face in pixels, in frames at most 480 high. ``pictures`` of a segment
    already show one face each, as in FER2013.
    """

    choice: Choice = "speaking"
    frames: int = 20
    smallest: int = 60
    size: int = 48
    grey: bool = True

    @cached_property
    def detector(self) -> FaceDetector:
        return FaceDetector(smallest=self.smallest)

    @cached_property
    def reader(self) -> FilmReader:
        return FilmReader()

    def views(self, segment: Segment) -> FaceViews | Absent:
        """Return the crops and their frontality; pictures count as frontal."""
        views = self.sharp_views(segment)
        if segment.blur is None or isinstance(views, Absent):
            return views
        return replace(views, crops=segment.blur.applied_to(views.crops))

    def sharp_views(self, segment: Segment) -> FaceViews | Absent:
        """Return the crops before blurring."""
        if segment.pictures:
            kept = segment.arriving(len(segment.pictures))
            return self.picture_views([segment.pictures[i] for i in kept])
        try:
            return self.film_views(segment)
        except MediaError as error:
            return Absent(error.reason)

    def picture_views(self, pictures: Sequence[bytes]) -> FaceViews | Absent:
        """Convert readable pictures to the size and colour of the crops."""
        faces, reason = [], _ALL_LOST
        for data in pictures:
            try:
                pixels = resize(decode_picture(data), height=self.size, width=self.size)
                faces.append(to_grey(pixels) if self.grey else pixels)
            except MediaError as error:
                reason = error.reason
        if not faces:
            return Absent(reason)
        return FaceViews(np.stack(faces), np.ones(len(faces)), np.arange(len(faces)))

    def film_views(self, segment: Segment) -> FaceViews | Absent:
        """Return crops of the chosen track(s); MediaError if the film cannot be read."""
        film = self.film_tracks(segment, judge_all=False)
        if isinstance(film, Absent):
            return film
        if self.choice == "speaking" and len(film.tracks) > 1 and nobody_speaks(film.syncs):
            return Absent(NOT_ON_SCREEN)
        log_odds = [weigh_sync(sync) for sync in film.syncs]
        return self.crop(film, choose(film.tracks, log_odds=log_odds, mode=self.choice))

    def film_tracks(self, segment: Segment, *, judge_all: bool) -> FilmTracks | Absent:
        """Find everybody in a film; if there are several, compare mouths with the sound.

        ``judge_all``: also for a single face. MediaError if the film cannot be read.
        """
        if segment.film is None:
            return Absent(NO_FILM)
        start, end = _find_span(segment.film)
        times = frame_times(start, end, self.frames)
        everything, looks = self._read(segment, segment.film, times, judge_all=judge_all)
        kept = segment.arriving(len(everything))
        if not kept:
            return Absent(_ALL_LOST)
        frames = [everything[i] for i in kept]
        tracks = link_faces(follow_faces(self.detector, frames))
        if not tracks:
            return Absent(NO_FACE)
        syncs: list[float | None] = [None] * len(tracks)
        if self.choice == "speaking" and (judge_all or len(tracks) > 1):
            seen = [times[i] for i in kept]
            syncs = _compare_mouths(segment, segment.film, tracks, seen=seen, frames=looks)
        return FilmTracks(frames=frames, tracks=tracks, syncs=syncs)

    def _read(
        self, segment: Segment, film: Clip, times: Sequence[float], *, judge_all: bool
    ) -> tuple[list[Frame], Iterator[Frame]]:
        """Read the frames to detect faces in and those of mouths; once, if both are needed."""
        looks = _find_looks(film)
        if self.choice == "speaking" and judge_all and segment.sound is not None:
            return read_with_looks(self.reader, film, times, looks, half=segment.half)
        read = partial(read_halves, self.reader, film, half=segment.half)
        return list(read(times)), read(looks)

    def crop(self, film: FilmTracks, tracks: Sequence[Track]) -> FaceViews:
        """Crop the faces of some tracks."""
        faces = [(i, face.landmarks) for track in tracks for i, face in track.faces.items()]
        crops = [align_face(film.frames[i], at, size=self.size, grey=self.grey) for i, at in faces]
        frontality = [measure_frontality(landmarks) for _, landmarks in faces]
        return FaceViews(np.stack(crops), np.array(frontality), np.array([i for i, _ in faces]))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FilmTracks:
    """Everybody visible in an utterance.

    ``tracks`` refer to indices of ``frames``; ``syncs``: agreement of each mouth with the sound
    (None: unknown).
    """

    frames: Sequence[Frame]
    tracks: Sequence[Track]
    syncs: Sequence[float | None]


def nobody_speaks(syncs: Sequence[float | None]) -> bool:
    """Whether all mouths are known to disagree with the sound."""
    return all(sync is not None and sync < SPEAKING_SYNC for sync in syncs)


def _find_span(film: Clip) -> tuple[float, float]:
    """Return start and end of a film in seconds; MediaError if the end is unknown."""
    start = film.start or 0.0
    end = probe(film.path).duration if film.end is None else film.end
    if end is None:
        raise MediaError(film.path, _NO_LENGTH, "give the utterance an end, or convert the film")
    return start, end


def _find_looks(film: Clip) -> list[float]:
    """Return the times for comparing mouths with the sound; MediaError as in ``_find_span``."""
    start, end = _find_span(film)
    length = min(end - start, _LONGEST_LOOK)
    return frame_times(start, start + length, max(1, round(length * LOOKS_PER_SECOND)))


def _compare_mouths(
    segment: Segment,
    film: Clip,
    tracks: Sequence[Track],
    *,
    seen: Sequence[float],
    frames: Iterable[Frame],
) -> list[float | None]:
    """Measure the agreement of each track's mouth with the sound; None if unknown.

    ``frames``: those at ``_find_looks``.
    """
    unknown: list[float | None] = [None] * len(tracks)
    if segment.sound is None:
        return unknown
    try:
        samples = read_clip(segment.sound)
    except MediaError:
        return unknown
    start, _ = _find_span(film)
    times = _find_looks(film)
    prediction = predict_mouth(samples, [time - start for time in times])
    if prediction is None:
        return unknown
    looks = describe_mouths(tracks, seen=seen, frames=frames, times=times)
    return [measure_sync(look, prediction) for look in looks]
