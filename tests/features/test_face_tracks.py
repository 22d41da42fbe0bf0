"""Vectors of everybody on screen, from one face network or several concatenated ones."""

import numpy as np
import pytest

from mmerc.features.face_tracks import read_faces
from mmerc.features.registry import NamedExtractor
from mmerc.media.segment import Clip, Segment
from short_films import cut

JOINED = NamedExtractor("denseface+denseface-2")


@pytest.mark.parametrize(
    ("extractor", "follows"),
    [
        (NamedExtractor("denseface"), True),
        (JOINED, True),
        (NamedExtractor("denseface+denseface-2", face="largest"), False),
        (NamedExtractor("denseface+visextnet"), False),
        (NamedExtractor("is10"), False),
        (NamedExtractor("faces-of-a-plugin"), False),
    ],
)
def test_extractors_that_can_follow_faces(extractor, follows):
    assert extractor.follows_faces is follows


def test_joined_networks_use_the_same_faces(tmp_path):
    film = cut("photograph", tmp_path / "film.mp4", seconds=2)
    segment = Segment(film=Clip(film, 0.0, 1.0), sound=Clip(film, 0.0, 1.0))
    alone = NamedExtractor("denseface", tracks=True)()
    both = NamedExtractor(JOINED.name, tracks=True)()
    assert both.spec.extractor == "denseface+denseface-2-tracks"
    (first, *_), (second, *_) = (list(read_faces(e.extract(segment))) for e in (alone, both))
    assert len(second.vector) == JOINED().spec.dim == 2 * len(first.vector)
    assert np.array_equal(second.vector[: len(first.vector)], first.vector)
    assert np.array_equal(second.identity, first.identity)
