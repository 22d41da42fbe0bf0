"""Upright faces of a fixed size."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.ndimage import rotate

from mmerc.media.faces.alignment import _TEMPLATE, align_face, similarity


def umeyama(points, target):
    """Rotation [2, 2] with scale, and shift [2]: Umeyama 1991, Eqs. 40-42."""
    x, y = points - points.mean(0), target - target.mean(0)
    u, d, vt = np.linalg.svd(y.T @ x / len(points))
    s = np.array([1.0, np.sign(np.linalg.det(u) * np.linalg.det(vt))])
    turn = u @ np.diag(s) @ vt * (d * s).sum() / (x**2).sum(1).mean()
    return turn, target.mean(0) - turn @ points.mean(0)


@settings(deadline=None, max_examples=50)
@given(seed=st.integers(0, 10**6), scale=st.floats(0.01, 100), shift=st.floats(-500, 500))
def test_similarity_transform_equals_umeyama(seed, scale, shift):
    generator = np.random.default_rng(seed)
    points = generator.normal(size=(5, 2)) * scale + shift
    target = generator.normal(size=(5, 2))
    turn, moved = umeyama(points, target)
    assume(abs(np.linalg.det(turn)) > 1e-12)
    a, b = similarity(points, target)
    np.testing.assert_allclose(turn, [[a.real, -a.imag], [a.imag, a.real]], rtol=1e-4, atol=1e-9)
    np.testing.assert_allclose(moved, [b.real, b.imag], rtol=1e-4, atol=1e-6)


def dotted(landmarks, height=200, width=240, radius=3):
    """A grey image with a dot of a different colour at every landmark."""
    picture = np.full((height, width, 3), 128, np.uint8)
    colours = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0), (0, 255, 255)]
    y, x = np.mgrid[:height, :width]
    for (left, top), colour in zip(landmarks, colours, strict=True):
        picture[(x - left) ** 2 + (y - top) ** 2 <= radius**2] = colour
    return picture, colours


@pytest.mark.parametrize("angle", [0, 35, -90, 180])
@pytest.mark.parametrize(("side", "size"), [(100, 96), (60, 120), (130, 48)])
def test_landmarks_are_aligned_to_their_targets(angle, side, size):
    turn = side * np.exp(1j * np.deg2rad(angle))
    points = ((_TEMPLATE - 0.5) @ [1, 1j]) * turn + 120 + 100j
    landmarks = np.stack([points.real, points.imag], axis=1)
    picture, colours = dotted(landmarks)
    crop = align_face(picture, landmarks, size=size, grey=False)
    assert crop.shape == (size, size, 3)
    assert crop.dtype == np.uint8
    for (x, y), colour in zip(np.rint(_TEMPLATE * size - 0.5).astype(int), colours, strict=True):
        assert np.abs(crop[y, x].astype(int) - colour).max() < 40


def test_rotated_photograph_gives_the_same_face(photograph, make_detector):
    detector = make_detector(60)
    turned = rotate(photograph, 25, reshape=False, order=1)
    crops = [
        align_face(frame, detector.detect([frame])[0][0].landmarks, size=48).astype(float)
        for frame in (photograph, turned)
    ]
    assert np.corrcoef(crops[0].ravel(), crops[1].ravel())[0, 1] > 0.95
    unlike = np.corrcoef(crops[0].ravel(), crops[1].T.ravel())[0, 1]
    assert unlike < 0.6


def test_grey_is_the_weighted_sum_of_the_colours():
    frame = np.empty((60, 60, 3), np.uint8)
    frame[:] = (200, 100, 50)
    crop = align_face(frame, _TEMPLATE * 40 + 10)
    assert crop.shape == (48, 48)
    assert (crop == round(0.299 * 200 + 0.587 * 100 + 0.114 * 50)).all()


def test_large_face_is_averaged_when_scaled_down():
    """One-pixel stripes become their mean."""
    frame = np.zeros((480, 480, 3), np.uint8)
    frame[:, ::2] = 255
    crop = align_face(frame, _TEMPLATE * 480 - 0.5, size=48)
    assert np.abs(crop[1:-1, 1:-1].astype(int) - 128).max() <= 2


@pytest.mark.parametrize("shift", [(-45, 0), (0, 45), (-1000, -1000), (1000, 1000)])
def test_area_outside_the_frame_is_black(shift):
    frame = np.full((60, 60, 3), 250, np.uint8)
    crop = align_face(frame, _TEMPLATE * 60 + np.array(shift))
    place = np.arange(48) / 48 * 60
    inside = [(place + by > 1) & (place + by < 57) for by in shift]
    outside = [(place + by < -2) | (place + by > 61) for by in shift]
    assert (crop[np.ix_(inside[1], inside[0])] == 250).all()
    assert (crop[outside[1]] == 0).all()
    assert (crop[:, outside[0]] == 0).all()


def test_identical_landmarks_are_refused():
    with pytest.raises(ValueError, match="must not all be in one place"):
        align_face(np.zeros((60, 60, 3), np.uint8), np.full((5, 2), 7.0))


def test_grey_frame_is_refused():
    with pytest.raises(ValueError, match=r"must be uint8 \[height, width, 3\]"):
        align_face(np.zeros((60, 60), np.uint8), _TEMPLATE * 40)
