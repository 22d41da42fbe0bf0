"""Degradations of faces, compared with slower or independent implementations."""

import io

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.ndimage import gaussian_filter

from fer2013 import draw_face
from mmerc.training.face_network.degradation import (
    compress,
    reduce_detail,
    relight,
    turned_sideways,
    warp,
)


@pytest.fixture
def images():
    return torch.stack([torch.from_numpy(draw_face(n, n)) for n in range(6)])[:, None].float()


def test_blur_is_a_gaussian_along_each_axis(images):
    blur = torch.tensor([[0.0, 0.0], [1.0, 1.0], [2.0, 0.5], [0.0, 1.5], [1.5, 0.0], [2.0, 2.0]])
    actual = reduce_detail(images, pixels=torch.full((6,), 48), blur=blur)
    for image, result, deviation in zip(images, actual, blur, strict=True):
        expected = gaussian_filter(image[0].numpy(), deviation.tolist(), truncate=8)
        inside = slice(12, -12)
        np.testing.assert_allclose(result[0, inside, inside], expected[inside, inside], atol=0.5)


def test_lower_resolution_averages_areas(images):
    pixels = torch.tensor([48, 24, 16, 12, 13, 31])
    actual = reduce_detail(images, pixels=pixels, blur=torch.zeros(6, 2))
    torch.testing.assert_close(actual[0], images[0], atol=1e-3, rtol=0)
    for image, result, side in zip(images, actual, pixels.tolist(), strict=True):
        small = Image.fromarray(image[0].byte().numpy()).resize((side, side), Image.BILINEAR)
        large = np.asarray(small.resize((48, 48), Image.BILINEAR), dtype=float)
        assert np.abs(result[0].numpy() - large).mean() < 1


@pytest.mark.parametrize("quality", [10, 30, 75, 90])
def test_compression_equals_jpeg(images, quality):
    actual = compress(images, quality=torch.full((6,), float(quality)))
    for image, result in zip(images, actual, strict=True):
        stream = io.BytesIO()
        Image.fromarray(image[0].byte().numpy()).save(stream, "JPEG", quality=quality)
        expected = np.asarray(Image.open(stream), dtype=float)
        lost = np.abs(expected - image[0].numpy()).mean()
        assert np.abs(result[0].numpy() - expected).mean() < max(0.2 * lost, 1)


def test_turned_face_is_narrower_with_a_larger_near_side():
    stripes = torch.zeros(1, 1, 48, 48)
    stripes[:, :, :, 8:16] = stripes[:, :, :, 32:40] = 255
    angle = torch.tensor([0.0, 0.7, -0.7])
    straight, turned, back = warp(stripes.expand(3, -1, -1, -1), turned_sideways(angle))[:, 0, 24]
    torch.testing.assert_close(straight, stripes[0, 0, 24], atol=0.01, rtol=0)
    torch.testing.assert_close(turned.flip(0), back, atol=0.01, rtol=0)
    assert turned.sum() < 0.9 * straight.sum()
    assert abs(turned[:24].sum() / turned[24:].sum() - 1) > 0.2


def test_lighting_matches_a_calculation_by_hand(images):
    values = {"contrast": 0.5, "brightness": 0.1, "gamma": 2.0, "slope": 0.2}
    actual = relight(images, **{name: torch.full((6,), value) for name, value in values.items()})
    darker = 255 * (images[0, 0].numpy() / 255) ** 2
    expected = (darker - darker.mean()) * 0.5 + darker.mean() + 25.5
    expected = expected + 51 * np.linspace(-1, 1, 48)
    np.testing.assert_allclose(actual[0, 0], expected.clip(0, 255), atol=0.01)


def test_each_image_has_its_own_amount(images):
    same = images[:1].expand(3, -1, -1, -1)
    pixels, blur = torch.tensor([48, 12, 48]), torch.tensor([[0, 0], [0, 0], [2.0, 2.0]])
    actual = reduce_detail(same, pixels=pixels, blur=blur)
    for i in range(3):
        alone = reduce_detail(images[:1], pixels=pixels[i : i + 1], blur=blur[i : i + 1])
        torch.testing.assert_close(actual[i], alone[0])
    quality = torch.tensor([90.0, 50.0, 10.0])
    for i, result in enumerate(compress(same, quality=quality)):
        assert torch.equal(result, compress(images[:1], quality=quality[i : i + 1])[0])
