"""Face tracks in a video, compared with detection in every frame."""

import numpy as np
import pytest
import torch

from mmerc.media.faces.following import follow_faces
from mmerc.media.faces.sampling import pyramid
from mmerc.media.faces.windows import Window, cut_windows

HEIGHT, WIDTH = 480, 640


@pytest.fixture
def scene(photograph):
    """A function that places half-size copies of the photograph (a 55-pixel face) on grey."""
    small = photograph[::2, ::2]

    def build(*corners):
        frame = np.full((HEIGHT, WIDTH, 3), 90, np.uint8)
        for left, top in corners:
            frame[top : top + 256, left : left + 256] = small
        return frame

    return build


@pytest.fixture
def count_pictures(monkeypatch):
    """A function that wraps a detector's method and records the number of its inputs."""

    def wrap(detector):
        counts, detect = [], detector.detect

        def counted(frames):
            counts.append(len(frames))
            return detect(frames)

        monkeypatch.setattr(detector, "detect", counted)
        return counts

    return wrap


def assert_same(actual, expected):
    assert [len(faces) for faces in actual] == [len(faces) for faces in expected]
    for now, before in zip(actual, expected, strict=True):
        for face, other in zip(now, before, strict=True):
            np.testing.assert_allclose(face.box, other.box, atol=0.01)
            np.testing.assert_allclose(face.landmarks, other.landmarks, atol=0.01)
            assert face.score == pytest.approx(other.score, abs=1e-4)


def test_moving_faces_equal_a_full_frame_search(scene, make_detector, count_pictures):
    detector = make_detector(40)
    frames = [scene((10 + 3 * i, 5 * i), (370 - 2 * i, 200)) for i in range(12)]
    expected = detector.detect(frames)
    searched = count_pictures(detector)
    assert_same(follow_faces(detector, frames), expected)
    assert all(len(faces) == 2 for faces in expected)
    assert sum(searched) == 4, "0, 5, 10 and 11"


def test_real_video(film, make_detector):
    frames = film[:60:3]
    detector = make_detector(20)
    assert_same(follow_faces(detector, frames), detector.detect(frames))


@pytest.mark.parametrize(
    "places",
    [
        [(0, 0)] * 2 + [(380, 200)] * 4,  # a cut between two searched frames
        [(0, 0), (380, 0), (0, 200), (380, 200), (100, 100), (0, 0)],  # a new place every time
    ],
)
def test_jumping_face_is_found_again(scene, make_detector, places):
    detector = make_detector(40)
    frames = [scene(place) + np.uint8(i) for i, place in enumerate(places)]
    assert_same(follow_faces(detector, frames), detector.detect(frames))


def test_person_visible_between_searched_frames_is_found_if_alone(scene, make_detector):
    detector = make_detector(40)
    frames = [scene() + np.uint8(i) for i in range(6)]
    frames[2] = scene((100, 100))
    faces = follow_faces(detector, frames)
    assert [len(item) for item in faces] == [0, 0, 1, 0, 0, 0]


def test_unchanged_frames_are_searched_once(scene, make_detector, count_pictures):
    detector = make_detector(40)
    still, other = scene((30, 30)), scene((300, 100))
    searched = count_pictures(detector)
    first, *same, last = follow_faces(detector, [still, still.copy(), still, other])
    assert searched == [2, 0]
    assert all(item is first for item in same)
    assert [len(first), len(last)] == [1, 1]


def test_frames_of_several_sizes_and_no_frames(scene, make_detector):
    detector = make_detector(40)
    frames = [scene((0, 0)), scene((0, 0))[:300]]
    assert_same(follow_faces(detector, frames), detector.detect(frames))
    assert follow_faces(detector, []) == []


@pytest.mark.parametrize(("left", "top"), [(200, 130), (-30, -20), (560, 420)])
def test_windows_equal_the_pixels_of_the_pyramid(left, top):
    generator = torch.Generator().manual_seed(0)
    frames = torch.randint(0, 256, (2, HEIGHT, WIDTH, 3), dtype=torch.uint8, generator=generator)
    sizes = [(96, 128), (67, 90)]
    window = Window(left=left, top=top, side=120)
    levels = pyramid(frames, sizes)
    cut = list(cut_windows(frames, {window: [1]}, sizes, cell=12, step=2))
    assert [level for level, _ in cut] == [0, 1]
    for level, parts in cut:
        x, y = parts.corner[0].tolist()
        assert x % 2 == y % 2 == 0
        height, width = parts.pictures.shape[2:]
        assert min(height, width) >= 18
        expected = levels[level][1, :, y : y + height, x : x + width]
        torch.testing.assert_close(parts.pictures[0], expected, atol=1e-5, rtol=0)
        assert parts.frame.tolist() == [1]


def test_cells_of_other_scales_are_left_out():
    window = Window.around(300, 200, face=100, smallest=60)
    assert 200 <= window.side <= 250
    assert [window.fits(cell) for cell in (30, 60, 100, 160, 300)] == [
        False, True, True, True, False,
    ]  # fmt: skip
    assert window.expects(100)
    assert not window.expects(60)


@pytest.mark.parametrize("smallest", [12, 20, 60, 137])
def test_window_around_any_face_has_room_for_cells(make_detector, smallest):
    """Faces may be smaller than the minimum: boxes end at the frame's edge."""
    detector = make_detector(smallest)
    for side in range(smallest, smallest + 30):
        frames = torch.zeros(1, side, 2 * side, 3, dtype=torch.uint8)
        cells = [12 * side / height for height, _ in detector.levels(frames)[1]]
        for face in (2, smallest / 2, smallest, side):
            window = Window.around(side / 2, side / 2, face=face, smallest=smallest)
            assert any(window.fits(cell) for cell in cells)
    window = Window.around(side / 2, side / 2, face=2, smallest=smallest)
    assert len(detector.propose_in(frames, {window: [0]}).box) == 0, "black has no face"
