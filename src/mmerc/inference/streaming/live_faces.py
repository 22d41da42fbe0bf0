"""Faces in a live conversation: detected when pictures arrive, stored as small crops."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmerc.features.base import Absent
from mmerc.features.denseface.extractor import DenseFace
from mmerc.features.film_frames import FRAME_HEIGHT
from mmerc.features.speaker_faces import NO_FACE, NO_FILM, SpeakerFaces
from mmerc.features.store import Vector
from mmerc.media.decode import SAMPLE_RATE, resize
from mmerc.media.faces.alignment import align_face
from mmerc.media.faces.detector import Face
from mmerc.media.faces.speaking import (
    choose,
    measure_opening,
    mouth_agreement,
    sound_energy,
    weigh_agreement,
)
from mmerc.media.faces.tracks import link_faces
from mmerc.media.faces.views import FaceViews, measure_frontality
from mmerc.media.resampling import Samples
from mmerc.media.voice_activity import Span

_REMEMBERED = 30.0  # seconds of faces: more than the longest utterance
_WAITING = 1.0  # seconds of pictures kept during silence


@dataclass(slots=True, kw_only=True)
class _Look:
    """The faces of one picture with mouth openness; vectors are computed on demand."""

    time: float
    faces: list[Face]
    crops: list[NDArray[np.uint8]]
    openings: list[float]
    vectors: list[Vector] | None = None


class LiveFaces:
    """Detects faces in up to ``rate`` pictures per second during speech.

    Pictures are queued until speech is confirmed. Faces of the last 30 s are kept as crops.
    ``dropped`` counts pictures that arrived too fast.
    """

    def __init__(self, extractor: DenseFace, source: SpeakerFaces, *, rate: float) -> None:
        self.extractor, self.source = extractor, source
        self.dropped = 0
        self._period = 1 / rate
        self._due = -math.inf
        self._waiting: deque[tuple[float, NDArray[np.uint8]]] = deque(
            maxlen=math.ceil(rate * _WAITING)
        )
        self._looks: deque[_Look] = deque(maxlen=math.ceil(rate * _REMEMBERED))
        self._seen_any = False

    def see(self, time: float, rgb: NDArray[np.uint8]) -> None:
        """Add the picture at a time. Shape: uint8 [H, W, 3]."""
        self._seen_any = True
        if time < self._due - self._period / 2:
            self.dropped += 1
            return
        self._due = max(self._due, time) + self._period
        height, width = rgb.shape[:2]
        if height > FRAME_HEIGHT:
            rgb = resize(
                rgb, height=FRAME_HEIGHT, width=max(1, round(width * FRAME_HEIGHT / height))
            )
        self._waiting.append((time, rgb))

    def look(self, since: float, until: float) -> None:
        """Detect faces in queued pictures between two times; drop earlier ones."""
        while self._waiting and self._waiting[0][0] <= until:
            time, rgb = self._waiting.popleft()
            if time >= since:
                self._looks.append(self._find_faces(time, rgb))

    def _find_faces(self, time: float, rgb: NDArray[np.uint8]) -> _Look:
        faces = self.source.detector.detect([rgb])[0]
        size, grey = self.source.size, self.source.grey
        return _Look(
            time=time,
            faces=faces,
            crops=[align_face(rgb, face.landmarks, size=size, grey=grey) for face in faces],
            openings=[measure_opening(rgb, face.landmarks.astype(np.float64)) for face in faces],
        )

    def prepare(self, span: Span) -> None:
        """Extract the face vectors of an utterance with this span in advance."""
        self._extract(self._choose(span))

    def vector(self, span: Span, samples: Samples) -> Vector | Absent:
        """Return the vector of the speaker's face during an utterance with sound ``samples``.

        As for films (``SpeakerFaces``), from up to ``frames`` pictures spread over the utterance.
        """
        looks = self._choose(span)
        if not looks:
            return Absent("no picture while it was spoken" if self._seen_any else NO_FILM)
        tracks = link_faces([look.faces for look in looks])
        if not tracks:
            return Absent(NO_FACE)
        places = [
            [(i, looks[i].faces.index(face)) for i, face in track.faces.items()] for track in tracks
        ]
        log_odds = None
        if self.source.choice == "speaking" and len(tracks) > 1:
            openings = np.full((len(tracks), len(looks)), np.nan)
            for row, track_places in zip(openings, places, strict=True):
                for i, number in track_places:
                    row[i] = looks[i].openings[number]
            times = [look.time - span.start for look in looks]
            energy = sound_energy(samples, rate=SAMPLE_RATE, times=times)
            log_odds = [weigh_agreement(mouth_agreement(o, energy)) for o in openings]
        kept = [
            place
            for track in choose(tracks, log_odds=log_odds, mode=self.source.choice)
            for place in places[tracks.index(track)]
        ]
        views = FaceViews(
            np.stack([looks[i].crops[n] for i, n in kept]),
            np.array([measure_frontality(looks[i].faces[n].landmarks) for i, n in kept]),
            np.array([i for i, _ in kept]),
        )
        vectors = self._extract(looks)
        return self.extractor.extract_views(views, np.stack([vectors[i][n] for i, n in kept]))

    def _choose(self, span: Span) -> list[_Look]:
        """Choose up to ``frames`` pictures with faces, spread over a span."""
        looks = [look for look in self._looks if span.start <= look.time <= span.end]
        count = min(len(looks), self.source.frames)
        chosen = np.linspace(0, len(looks) - 1, count).round().astype(int)
        return [looks[i] for i in chosen]

    def _extract(self, looks: Sequence[_Look]) -> list[list[Vector]]:
        """Return the vectors of all faces in some pictures; each picture is processed once."""
        fresh = [look for look in looks if look.vectors is None and look.crops]
        if fresh:
            crops = np.stack([crop for look in fresh for crop in look.crops])
            vectors = iter(self.extractor.vectors_of(crops))
            for look in fresh:
                look.vectors = [next(vectors) for _ in look.crops]
        return [look.vectors or [] for look in looks]
