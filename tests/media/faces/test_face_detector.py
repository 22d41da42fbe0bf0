"""The detector, compared with the published one on real images; unusable images."""

import numpy as np
import pytest
import torch

from mmerc.media.faces import detector as module
from mmerc.media.faces.boxes import overlaps
from mmerc.media.faces.detector import FaceDetector


def picture_of(photograph, name):
    if name == "edge":  # the left of the face is cut off
        return np.ascontiguousarray(photograph[:, 195:])
    if name == "tile":  # twenty faces
        return np.tile(photograph[:250, 120:330], (4, 5, 1))
    return photograph


def same_faces(actual, expected):
    """Check that exactly the recorded faces are found."""
    assert len(actual) == len(expected)
    recorded = torch.tensor([face["box"] for face in expected])
    shares = overlaps(recorded, torch.from_numpy(np.stack([face.box for face in actual])))
    assert (shares.amax(1) > 0.98).all()
    assert sorted(shares.argmax(1).tolist()) == list(range(len(actual)))
    for face, position in zip(expected, shares.argmax(1).tolist(), strict=True):
        assert actual[position].score == pytest.approx(face["score"], abs=0.01)
        assert np.abs(actual[position].landmarks - face["landmarks"]).max() < 1


def test_twenty_faces_and_one_at_the_edge_equal_the_published_detector(
    reference, photograph, make_detector
):
    recorded = [faces for faces in reference["faces"] if "carphone" not in faces["picture"]]
    assert [len(faces["found"]) for faces in recorded] == [1, 1, 1, 20]
    for faces in recorded:
        picture = picture_of(photograph, faces["picture"])
        actual = make_detector(faces["smallest"]).detect([picture])[0]
        same_faces(actual, faces["found"])


def test_faces_of_a_video_equal_the_published_detector(reference, film, make_detector):
    recorded = [faces for faces in reference["faces"] if "carphone" in faces["picture"]]
    assert len(recorded) == 6
    frames = [film[int(faces["picture"].removeprefix("carphone"))] for faces in recorded]
    for actual, faces in zip(make_detector(20).detect(frames), recorded, strict=True):
        same_faces(actual, faces["found"])


def as_numbers(faces):
    return [[*face.box, face.score, *face.landmarks.flatten()] for face in faces]


def test_batch_equals_single_frames(photograph, make_detector, monkeypatch):
    """Frames of three sizes, with and without faces, in any order and in batches of any size."""
    detector = make_detector(60)
    black = np.zeros_like(photograph)
    frames = [
        np.ascontiguousarray(picture_of(photograph, "tile")[:500, :420]),
        photograph,
        black,
        picture_of(photograph, "edge"),
        np.ascontiguousarray(photograph[:, ::-1]),
        np.roll(photograph, 40, axis=1),
    ]
    alone = [as_numbers(detector.detect([frame])[0]) for frame in frames]
    assert [len(faces) for faces in alone] == [4, 1, 0, 1, 1, 1]
    for pixels in (module._PIXELS_AT_ONCE, 2 * photograph[..., 0].size):
        monkeypatch.setattr(module, "_PIXELS_AT_ONCE", pixels)
        monkeypatch.setattr(module, "_CROPS_AT_ONCE", 7 if pixels < 2**23 else 512)
        for expected, actual in zip(alone, detector.detect(frames), strict=True):
            np.testing.assert_allclose(as_numbers(actual), expected, atol=0.01)


def test_best_faces_come_first(photograph, make_detector):
    faces = make_detector(60).detect([picture_of(photograph, "tile")])[0]
    scores = [face.score for face in faces]
    assert scores == sorted(scores, reverse=True)
    assert all(0.8 < score <= 1 for score in scores)


def test_face_is_inside_the_frame_and_landmarks_inside_the_box(photograph, make_detector):
    edge = picture_of(photograph, "edge")
    face = make_detector(60).detect([edge])[0][0]
    assert face.box.dtype == face.landmarks.dtype == np.float32
    assert face.box[0] == 0
    assert (face.box[2:] <= [edge.shape[1] - 1, edge.shape[0] - 1]).all()
    left_eye, right_eye, nose, left_corner, right_corner = face.landmarks
    assert left_eye[0] < nose[0] < right_eye[0]
    assert left_corner[0] < nose[0] < right_corner[0]
    assert max(left_eye[1], right_eye[1]) < nose[1] < min(left_corner[1], right_corner[1])
    assert (face.landmarks > face.box[:2]).all()
    assert (face.landmarks < face.box[2:]).all()


def test_faces_far_below_the_minimum_size_are_left_out(photograph, make_detector):
    far = np.ascontiguousarray(photograph[::4, ::4])
    assert len(make_detector(20).detect([far])[0]) == 1
    assert make_detector(60).detect([far]) == [[]]


def noise(height, width):
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize("smallest", [12, 60])
@pytest.mark.parametrize(
    "frame",
    [
        np.zeros((240, 320, 3), np.uint8),
        np.full((240, 320, 3), 255, np.uint8),
        noise(240, 320),
        np.zeros((1, 1, 3), np.uint8),
        noise(20, 20),
        noise(12, 700),
        noise(2000, 61),
    ],
    ids=["black", "white", "noise", "one pixel", "20 x 20", "flat", "high"],
)
def test_image_without_faces(make_detector, frame, smallest):
    assert make_detector(smallest).detect([frame, frame]) == [[], []]


def test_no_frames(make_detector):
    assert make_detector(60).detect([]) == []


@pytest.mark.parametrize(
    ("frame", "got"),
    [
        (np.zeros((48, 64), np.uint8), r"uint8 \[48, 64\]"),
        (np.zeros((48, 64, 1), np.uint8), r"uint8 \[48, 64, 1\]"),
        (np.zeros((48, 64, 4), np.uint8), r"uint8 \[48, 64, 4\]"),
        (np.zeros((3, 48, 64), np.uint8), r"uint8 \[3, 48, 64\]"),
        (np.zeros((48, 64, 3), np.float32), r"float32 \[48, 64, 3\]"),
        (np.zeros((0, 64, 3), np.uint8), r"uint8 \[0, 64, 3\]"),
    ],
)
def test_non_colour_image_is_refused(make_detector, frame, got):
    with pytest.raises(ValueError, match=rf"must be uint8 \[height, width, 3\], got {got}"):
        make_detector(60).detect([np.zeros((80, 80, 3), np.uint8), frame])


def test_minimum_size_below_the_networks_limit_is_refused():
    with pytest.raises(ValueError, match="12 pixels or more, got 11"):
        FaceDetector(smallest=11)
