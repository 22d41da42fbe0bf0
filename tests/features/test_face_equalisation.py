"""Grey levels of film crops equalised to those of FER2013: a uniform histogram."""

import numpy as np
import pytest
import torch

from mmerc.features.denseface.averaging import measure_sharpness, weigh_faces
from mmerc.features.denseface.equalisation import equalise
from mmerc.features.speaker_faces import SpeakerFaces
from mmerc.media.faces.alignment import align_face


def slow_equalisation(image):
    """One image by definition: each level becomes the share of non-black pixels up to it."""
    dark = (image == image.min()).sum()
    others = image.size - dark
    return np.array(
        [[round(255 * ((image <= level).sum() - dark) / others) for level in row] for row in image]
    )


def random_images(count=4, low=90, high=140):
    generator = torch.Generator().manual_seed(0)
    return torch.randint(low, high, (count, 1, 12, 10), generator=generator, dtype=torch.uint8)


def test_equalisation_matches_a_calculation_by_hand():
    images = random_images()
    actual = equalise(images)
    assert actual.dtype == torch.float32
    assert actual.shape == images.shape
    for image, expected in zip(images[:, 0].numpy(), actual[:, 0].numpy(), strict=True):
        assert np.abs(slow_equalisation(image) - expected).max() <= 1  # halves are rounded to even


def test_equalisation_ignores_brightness_contrast_and_gamma():
    images = random_images().float()
    expected = equalise(images)
    for changed in (images + 60, 3 * images - 200, images.square() / 150):
        assert torch.equal(equalise(changed), expected)


def test_equalised_levels_are_uniform():
    ramp = torch.arange(2304).view(1, 1, 48, 48) % 60 + 100
    levels = equalise(ramp).flatten().numpy()
    np.testing.assert_allclose(np.percentile(levels, [25, 50, 75]), [64, 128, 191], atol=5)
    assert (levels.min(), levels.max()) == (0, 255)


def test_black_border_does_not_affect_the_rest():
    image = random_images(1).float()
    beside = torch.cat([image, torch.zeros(1, 1, 12, 10)], dim=3)
    with_dark = torch.cat([image, torch.full((1, 1, 12, 10), image.min().item())], dim=3)
    assert torch.equal(equalise(with_dark)[..., :10], equalise(image))
    assert (equalise(beside)[..., :10] - equalise(image)).abs().max() < 15
    assert (equalise(beside)[..., 10:] == 0).all()


def test_uniform_image_is_unchanged():
    image = torch.full((2, 1, 6, 6), 77, dtype=torch.uint8)
    assert torch.equal(equalise(image), image.float())


def test_video_crop_has_the_grey_levels_of_fer2013():
    """FER2013's images have quartiles at 64, 128 and 192; an unequalised crop does not."""
    astronaut = pytest.importorskip("skimage.data", reason="scikit-image is missing").astronaut()
    dim = (astronaut * 0.4 + 60).astype(np.uint8)
    crops = SpeakerFaces(choice="largest").detector.detect([dim])
    crop = align_face(dim, crops[0][0].landmarks)
    before = np.percentile(crop, [25, 50, 75])
    after = np.percentile(equalise(torch.from_numpy(crop)[None, None]), [25, 50, 75])
    assert np.ptp(before) < 70
    np.testing.assert_allclose(after, [64, 128, 192], atol=6)


def test_sharpness_decreases_with_blur_but_not_with_contrast():
    rng = np.random.default_rng(0)
    face = rng.integers(0, 256, (48, 48)).astype(np.float64)
    blurred = (face + np.roll(face, 1, 0) + np.roll(face, 1, 1) + np.roll(face, (1, 1), (0, 1))) / 4
    crops = np.stack([face, 0.5 * face + 60, blurred]).round().astype(np.uint8)
    sharp, dull, soft = measure_sharpness(crops)
    assert dull == pytest.approx(sharp, rel=0.02)
    assert soft < sharp
    assert measure_sharpness(np.full((1, 48, 48), 9, np.uint8)) == 0


def test_equal_faces_have_equal_weights():
    crops = np.repeat(np.random.default_rng(0).integers(0, 256, (1, 48, 48), dtype=np.uint8), 3, 0)
    np.testing.assert_allclose(weigh_faces(crops, np.ones(3)), 1 / 3)
    weights = weigh_faces(crops, np.array([1.0, 0.5, 0.0]))
    assert weights.sum() == pytest.approx(1)
    assert weights[0] > 1.9 * weights[1] > 10 * weights[2]
    flat = weigh_faces(np.zeros((2, 48, 48), np.uint8), np.zeros(2))
    np.testing.assert_allclose(flat, 0.5)
