"""Faces tracked over frames."""

import numpy as np
import pytest

from mmerc.media.faces.detector import Face
from mmerc.media.faces.tracks import Track, link_faces


def face(x, y=0, side=20):
    box = np.array([x, y, x + side, y + side], np.float32)
    return Face(box, 0.9, np.zeros((5, 2), np.float32))


def places(tracks):
    """Left edges of each track's boxes by frame."""
    return [{i: float(f.box[0]) for i, f in track.faces.items()} for track in tracks]


def test_two_moving_people_stay_separate_in_any_order():
    detections = [[face(4 * i), face(200 - 4 * i)][:: 1 if i % 2 else -1] for i in range(10)]
    first, second = sorted(places(link_faces(detections)), key=lambda track: track[0])
    assert first == {i: 4.0 * i for i in range(10)}
    assert second == {i: 200.0 - 4 * i for i in range(10)}


def test_pairs_are_matched_jointly():
    """The new face at 6 overlaps the old one at 5 most, but this match would lose the other two."""
    detections = [[face(0), face(5)], [face(6), face(12)]]
    assert places(link_faces(detections)) == [{0: 0.0, 1: 6.0}, {0: 5.0, 1: 12.0}]


def test_insufficient_overlap_does_not_count_against_a_pair():
    """Two weak pairs overlap more in sum than the one pair that counts."""
    detections = [[face(0), face(9)], [face(9, y=6), face(18)]]
    tracks = places(link_faces(detections, overlap=0.5))
    assert tracks == [{0: 0.0}, {0: 9.0, 1: 9.0}, {1: 18.0}]


@pytest.mark.parametrize(("missing", "tracks"), [(0, 1), (1, 1), (3, 1), (4, 2)])
def test_gap_of_up_to_three_frames(missing, tracks):
    detections = [[face(0)], *[[] for _ in range(missing)], [face(2)]]
    actual = link_faces(detections, gap=3)
    assert len(actual) == tracks
    assert sorted(i for track in actual for i in track.faces) == [0, missing + 1]


def test_new_person_starts_a_track():
    detections = [[face(0)], [face(0), face(100)], [face(300)]]
    assert places(link_faces(detections)) == [{0: 0.0, 1: 0.0}, {1: 100.0}, {2: 300.0}]


@pytest.mark.parametrize("detections", [[], [[], []]])
def test_no_faces(detections):
    assert link_faces(detections) == []


def test_side_is_that_of_a_square_of_equal_area():
    wide = Face(np.array([0, 0, 40, 10], np.float32), 0.9, np.zeros((5, 2), np.float32))
    assert Track({0: wide, 1: face(0, side=30)}).side == pytest.approx(25)


def test_man_in_the_car_is_one_person(film, make_detector):
    frames = film[::6]
    tracks = link_faces(make_detector(40).detect(frames))
    assert [list(track.faces) for track in tracks] == [list(range(len(frames)))]
