"""Faces of a live conversation: detected as pictures arrive, stored as small crops."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmerc.features.base import Absent
from mmerc.features.speaker_faces import FRAME_HEIGHT, NO_FACE, NO_FILM, SpeakerFaces
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
_WAITING = 1.0  # seconds of pictures kept while nobody speaks


@dataclass(frozen=True, slots=True, kw_only=True)
class _Look:
    """The faces of one picture, and how open each mouth is."""

    time: float
    faces: list[Face]
    crops: list[NDArray[np.uint8]]
    openings: list[float]


class LiveFaces:
    """Looks at up to ``rate`` pictures a second, while somebody speaks.

    Pictures wait until it is known whether somebody speaks in them; of those that were looked at,
    the faces of the last 30 s are kept as crops. ``dropped`` counts pictures that came too fast.
    """

    def __init__(self, source: SpeakerFaces, *, rate: float) -> None:
        self.source = source
        self.dropped = 0
        self._period = 1 / rate
        self._due = -math.inf
        self._waiting: deque[tuple[float, NDArray[np.uint8]]] = deque(
            maxlen=math.ceil(rate * _WAITING)
        )
        self._looks: deque[_Look] = deque(maxlen=math.ceil(rate * _REMEMBERED))
        self._seen_any = False

    def see(self, time: float, rgb: NDArray[np.uint8]) -> None:
        """Take the picture of a time. Shape: uint8 [H, W, 3]."""
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

    def look(self, since: float) -> None:
        """Find the faces of the waiting pictures from a time on; drop earlier ones."""
        while self._waiting:
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

    def views(self, span: Span, samples: Samples) -> FaceViews | Absent:
        """The speaker's face during an utterance, whose sound is ``samples``.

        As in a film (``SpeakerFaces``), of up to ``frames`` pictures spread over the utterance.
        """
        looks = [look for look in self._looks if span.start <= look.time <= span.end]
        if not looks:
            return Absent("no picture while it was spoken" if self._seen_any else NO_FILM)
        count = min(len(looks), self.source.frames)
        chosen = np.linspace(0, len(looks) - 1, count).round().astype(int)
        looks = [looks[i] for i in chosen]
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
        frontality = [measure_frontality(looks[i].faces[n].landmarks) for i, n in kept]
        return FaceViews(
            np.stack([looks[i].crops[n] for i, n in kept]),
            np.array(frontality),
            np.array([i for i, _ in kept]),
        )
