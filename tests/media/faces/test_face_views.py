"""Frontality of a face, from its landmarks."""

import numpy as np
import pytest

from mmerc.media.faces.alignment import _TEMPLATE
from mmerc.media.faces.views import measure_frontality


def with_nose(offset):
    """The template's face with the nose moved sideways, in units of the eye distance."""
    landmarks = _TEMPLATE.copy()
    landmarks[2, 0] += offset * (landmarks[1, 0] - landmarks[0, 0])
    return landmarks


def test_frontal_face_has_full_weight_and_turned_face_less():
    assert measure_frontality(_TEMPLATE) == pytest.approx(1)
    values = [measure_frontality(with_nose(offset)) for offset in (0, 0.1, 0.3, 0.6)]
    assert values == sorted(values, reverse=True)
    np.testing.assert_allclose(values[2], np.exp(-0.5), rtol=1e-6)
    assert measure_frontality(with_nose(-0.3)) == pytest.approx(values[2])


@pytest.mark.parametrize("angle", [0.5, -1.0, 3.0])
def test_size_place_and_roll_do_not_matter(angle):
    points = (with_nose(0.2) @ [1, 1j]) * 70 * np.exp(1j * angle) + 100 - 30j
    rolled = np.stack([points.real, points.imag], axis=1)
    assert measure_frontality(rolled) == pytest.approx(measure_frontality(with_nose(0.2)))


def test_identical_landmarks_have_no_view():
    assert measure_frontality(np.ones((5, 2))) == 0
