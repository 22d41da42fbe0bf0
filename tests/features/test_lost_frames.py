"""Faces from films and pictures with missing frames."""

import numpy as np
import pytest

from fer2013 import draw_face, encoded
from mmerc.features.base import Absent
from mmerc.features.speaker_faces import _ALL_LOST, SpeakerFaces
from mmerc.media.degradation import FrameLoss
from mmerc.media.segment import Clip, Segment
from short_films import cut

PICTURES = tuple(encoded(draw_face(number % 2, number)) for number in range(5))


def frame_loss(count, *, some):
    """A loss of some or all of ``count`` frames."""
    if not some:
        return FrameLoss(1.0, 0)
    return next(
        loss
        for loss in (FrameLoss(0.5, seed) for seed in range(100))
        if 1 < len(loss.arriving(count)) < count - 1
    )


def test_received_images_are_unchanged():
    loss = frame_loss(len(PICTURES), some=True)
    whole = SpeakerFaces().views(Segment(pictures=PICTURES)).crops
    left = SpeakerFaces().views(Segment(pictures=PICTURES, loss=loss)).crops
    assert np.array_equal(left, whole[loss.arriving(len(PICTURES))])


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    return cut("photograph", tmp_path_factory.mktemp("film") / "face.mp4", seconds=4.0)


def test_received_frames_are_unchanged(film):
    faces, loss = SpeakerFaces(frames=5), frame_loss(5, some=True)
    clip = Clip(film, end=3.0)
    whole = faces.views(Segment(film=clip)).crops
    assert len(whole) == 5
    left = faces.views(Segment(film=clip, loss=loss)).crops
    assert np.array_equal(left, whole[loss.arriving(5)])


def test_fully_lost_input_gives_nothing(film):
    loss = frame_loss(5, some=False)
    assert SpeakerFaces().views(Segment(pictures=PICTURES, loss=loss)) == Absent(_ALL_LOST)
    lost = Segment(film=Clip(film, end=3.0), loss=loss)
    assert SpeakerFaces(frames=5).views(lost) == Absent(_ALL_LOST)
