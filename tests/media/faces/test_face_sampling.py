"""Image pyramids and crops, compared with loops over pixels."""

import math
from itertools import pairwise

import pytest
import torch

from mmerc.media.faces.sampling import area_weights, crops, pyramid, scales


def frames_of(*shape):
    return torch.randint(
        0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )


def mean_of_area(picture, top, bottom, left, right):
    """Mean of [H, W, 3] over a rectangle whose edges may cut pixels."""
    total, area = torch.zeros(3), 0.0
    for y in range(math.floor(top), math.ceil(bottom)):
        for x in range(math.floor(left), math.ceil(right)):
            part = (min(bottom, y + 1) - max(top, y)) * (min(right, x + 1) - max(left, x))
            total += part * picture[min(y, len(picture) - 1), min(x, picture.shape[1] - 1)]
            area += part
    return total / area


def test_pyramid_averages_areas():
    frames = frames_of(2, 13, 17, 3)
    sizes = [(5, 7), (3, 4), (1, 1), (13, 17)]
    for (height, width), level in zip(sizes, pyramid(frames, sizes), strict=True):
        assert level.shape == (2, 3, height, width)
        for i, picture in enumerate(frames.float()):
            for y in range(height):
                for x in range(width):
                    rows = (y * 13 / height, (y + 1) * 13 / height)
                    columns = (x * 17 / width, (x + 1) * 17 / width)
                    expected = (mean_of_area(picture, *rows, *columns) - 127.5) / 128
                    torch.testing.assert_close(level[i, :, y, x], expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(("given", "predictions"), [(480, 96), (7, 3), (5, 5), (9, 1)])
def test_every_pixel_counts_once(given, predictions):
    weights = area_weights(given, predictions, torch.device("cpu"))
    torch.testing.assert_close(weights.sum(1), torch.ones(predictions))
    torch.testing.assert_close(weights.sum(0), torch.full((given,), predictions / given))


def bilinear(picture, y, x):
    """Interpolated value of [H, W, 3], medium grey outside."""
    height, width, _ = picture.shape
    if not (0 <= y <= height - 1 and 0 <= x <= width - 1):
        return torch.zeros(3)
    top, left = min(int(y), height - 2), min(int(x), width - 2)
    down, right = y - top, x - left
    value = (
        picture[top, left] * (1 - down) * (1 - right)
        + picture[top, left + 1] * (1 - down) * right
        + picture[top + 1, left] * down * (1 - right)
        + picture[top + 1, left + 1] * down * right
    )
    return (value - 127.5) / 128


def test_crops_are_bilinear_and_grey_outside():
    frames = frames_of(3, 20, 30, 3)
    boxes = torch.tensor(
        [[2.5, 3.0, 11.5, 12.0], [-6, -4, 5, 7], [20, 12, 41, 33], [50, 50, 60, 60]]
    )
    frame = torch.tensor([2, 0, 1, 1])
    actual = crops(frames, frame, boxes, 6)
    for m, (x0, y0, x1, y1) in enumerate(boxes.tolist()):
        for i in range(6):
            for j in range(6):
                y, x = (y0 + (y1 - y0) * i / 5) * 19 / 20, (x0 + (x1 - x0) * j / 5) * 29 / 30
                expected = bilinear(frames[frame[m]].float(), y, x)
                torch.testing.assert_close(actual[m, :, i, j], expected, atol=1e-4, rtol=1e-4)
    assert (actual[3] == 0).all()


def test_scales_range_from_the_smallest_face_to_the_full_image():
    actual = scales(480, smallest=60, cell=12, step=0.709)
    assert actual[0] == 12 / 60
    assert all(b / a == pytest.approx(0.709) for a, b in pairwise(actual))
    assert 480 * actual[-1] >= 12 > 480 * actual[-1] * 0.709
    assert scales(59, smallest=60, cell=12, step=0.709) == []
    assert scales(60, smallest=60, cell=12, step=0.709) == [0.2]
