"""All visible people of an utterance in one vector; the speaker is chosen later.

A speaker can only be identified over a whole recording. So an analysis first extracts vectors and
identities of all faces of every utterance, and then chooses (``speaker_people``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from mmerc.features.base import Absent
from mmerc.features.combined import join_specs
from mmerc.features.denseface.extractor import DenseFace
from mmerc.features.speaker_faces import FilmTracks, SpeakerFaces
from mmerc.features.store import FeatureSpec, Vector
from mmerc.media.faces.identity import IDENTITY_WIDTH, encode_faces
from mmerc.media.faces.tracks import Track
from mmerc.media.segment import MediaError, Segment

_MOST_TRACKS = 4
_PICTURES = 3  # pictures per track for the identity vector
_HEAD = 6  # number of values before the vectors


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SeenFace:
    """One person's face in an utterance, from its first to its last frame.

    ``weight``: log of side length times number of frames. ``sync``: agreement of its mouth with
    the sound. ``count``: number of frames with the face.

    Shape: identity [128], vector [D].
    """

    weight: float
    sync: float | None
    first: int
    last: int
    count: int
    identity: Vector
    vector: Vector


class FaceTracks:
    """Vectors of up to four faces per utterance, large and long visible ones first.

    Vectors of several ``networks`` are concatenated.
    """

    def __init__(self, networks: Sequence[DenseFace], faces: SpeakerFaces) -> None:
        self.networks, self.faces = networks, faces
        joint = join_specs([network.spec for network in networks])
        self.spec = FeatureSpec(
            modality="video",
            extractor=f"{joint.extractor}-tracks",
            dim=_MOST_TRACKS * (_HEAD + IDENTITY_WIDTH + joint.dim),
            settings={"faces": joint.fingerprint, "tracks": _MOST_TRACKS},
        )

    def extract(self, segment: Segment) -> Vector | Absent:
        """Shape: -> float32 [4 * (6 + 128 + D)]; missing faces are 0."""
        try:
            film = self.faces.film_tracks(segment, judge_all=True)
        except MediaError as error:
            return Absent(error.reason)
        if isinstance(film, Absent):
            return film
        weights = [float(np.log(track.side * len(track.faces))) for track in film.tracks]
        order = np.argsort(-np.array(weights), kind="stable")[:_MOST_TRACKS]
        rows = np.zeros((_MOST_TRACKS, self.spec.dim // _MOST_TRACKS), np.float32)
        for row, number in zip(rows, order.tolist(), strict=False):
            row[:] = self._describe(film, number, weights[number])
        return rows.ravel()

    def _describe(self, film: FilmTracks, number: int, weight: float) -> Vector:
        """Shape: -> [6 + 128 + D]."""
        track, sync = film.tracks[number], film.syncs[number]
        head = [
            len(track.faces), weight, sync is not None, sync or 0.0,
            min(track.faces), max(track.faces),
        ]  # fmt: skip
        views = self.faces.crop(film, [track])
        vectors = [network.extract_views(views) for network in self.networks]
        parts = [np.array(head), _identify(film, track), *vectors]
        return np.concatenate(parts).astype(np.float32)


def _identify(film: FilmTracks, track: Track) -> Vector:
    """Average the identity vectors of a few faces of a track. Shape: -> [128]."""
    places = list(track.faces)
    chosen = {places[i] for i in np.linspace(0, len(places) - 1, _PICTURES).round().astype(int)}
    mean: Vector = encode_faces(
        [film.frames[i] for i in chosen], [track.faces[i].landmarks for i in chosen]
    ).mean(0)
    return mean


def read_faces(vector: Vector) -> Iterator[SeenFace]:
    """Yield the faces in a vector of ``FaceTracks``."""
    for row in vector.reshape(_MOST_TRACKS, -1):
        count, weight, has_sync, sync, first, last = row[:_HEAD].tolist()
        if count:
            yield SeenFace(
                weight=weight,
                sync=sync if has_sync else None,
                first=int(first),
                last=int(last),
                count=int(count),
                identity=row[_HEAD : _HEAD + IDENTITY_WIDTH],
                vector=row[_HEAD + IDENTITY_WIDTH :],
            )
