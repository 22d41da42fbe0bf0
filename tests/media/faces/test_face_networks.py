"""The three networks, compared with outputs of the published ones on TensorFlow."""

import numpy as np
import pytest
import torch

from mmerc.media.faces.weights import load_networks


def pattern(height, width):
    """[1, 3, height, width] in -1..1, equal on every machine."""
    places = np.arange(height * width * 3)
    values = np.sin(places * 0.37 + np.sin(places * 0.011) * 4).reshape(1, height, width, 3)
    return torch.from_numpy(values).float().permute(0, 3, 1, 2)


@pytest.mark.parametrize(
    ("name", "height", "width"), [("proposal", 14, 17), ("refinement", 24, 24), ("output", 48, 48)]
)
def test_outputs_equal_the_published_networks(reference, name, height, width):
    with torch.inference_mode():
        actual = getattr(load_networks(), name)(pattern(height, width))
    expected = [torch.tensor(values) for values in reference["networks"][name]]
    if name == "output":
        expected[2] = expected[2].view(2, 5).T  # the published one returns all x, then all y
    for own, published in zip(actual, expected, strict=True):
        torch.testing.assert_close(own[0], published, rtol=1e-3, atol=1e-5)
