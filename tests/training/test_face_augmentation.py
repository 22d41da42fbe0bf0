"""Augmentation of faces in training, with independent amounts."""

import pytest
import torch

from fer2013 import draw_face
from mmerc.features.denseface.network import MEAN
from mmerc.training.face_network.augmentation import Augmentation, augment

STILL = Augmentation(
    flip=0, shift=0, rotation=0, zoom=0, brightness=0, contrast=0, erasing=0, erased_area=0
)


def changed(seed=0, count=64, **settings):
    """Images before and after an augmentation with only these settings."""
    chance = torch.Generator().manual_seed(seed)
    images = torch.stack([torch.from_numpy(draw_face(n % 7, n)) for n in range(count)])[:, None]
    predictions = augment(images, STILL.model_copy(update=settings), generator=chance)
    assert (predictions.dtype, predictions.shape) == (torch.float32, images.shape)
    assert 0 <= predictions.min() <= predictions.max() <= 255
    return images.float(), predictions


def test_augmentation_is_off_by_default():
    before, after = changed()
    torch.testing.assert_close(after, before, atol=0.01, rtol=0)


def test_all_or_some_faces_are_mirrored():
    before, after = changed(flip=1)
    torch.testing.assert_close(after, before.flip(3), atol=0.01, rtol=0)
    before, after = changed(flip=0.5)
    same = (after - before).abs().amax(dim=(1, 2, 3)) < 0.01
    assert 16 < same.sum() < 48
    torch.testing.assert_close(after[~same], before[~same].flip(3), atol=0.01, rtol=0)


@pytest.mark.parametrize("settings", [{"shift": 0.2}, {"rotation": 30}, {"zoom": 0.3}])
def test_each_face_is_moved_independently(settings):
    before, after = changed(**settings)
    differences = (after - before).abs().mean(dim=(1, 2, 3))
    assert (differences > 0).all()
    assert differences.std() > 0.5
    torch.testing.assert_close(after.mean((1, 2, 3)), before.mean((1, 2, 3)), atol=40, rtol=0)


def test_shifts_stay_within_the_limit():
    spot = torch.zeros(200, 1, 48, 48, dtype=torch.uint8)
    spot[:, :, 20:28, 20:28] = 255
    settings = STILL.model_copy(update={"shift": 0.25})
    predictions = augment(spot, settings, generator=torch.Generator().manual_seed(0))
    places = torch.arange(48) + 0.5
    for dimension in (2, 3):
        weight = predictions.sum(dim=(1, 5 - dimension))
        moved = (weight * places).sum(1) / weight.sum(1) - 24
        assert 10 < moved.abs().max() <= 12.01
        assert moved.min() < -10 < 10 < moved.max()


def test_brightness_changes_evenly_over_a_face():
    before, after = changed(brightness=0.1)
    shifts = after - before
    assert shifts.abs().max() <= 25.6
    assert (shifts.amax(dim=(1, 2, 3)) - shifts.amin(dim=(1, 2, 3))).median() < 0.01
    before, after = changed(contrast=0.3)
    factors = after.std(dim=(1, 2, 3)) / before.std(dim=(1, 2, 3))
    assert 0.69 < factors.min() < 0.8
    assert 1.2 < factors.max() < 1.31


def test_rectangles_are_hidden_in_some_faces():
    before, after = changed(count=400, erasing=0.5, erased_area=0.2)
    covered = (after - before).abs() > 0.01
    share = covered.float().mean(dim=(1, 2, 3))
    assert 130 < (share > 0).sum() < 230
    assert 0.1 < share.max() < 0.24
    assert torch.allclose(after[covered], torch.tensor(255 * MEAN))


def test_degradations_apply_to_the_given_share_only():
    everything = {"small": 1, "blurred": 1, "noise": 0.1, "compressed": 1, "yaw": 40, "gamma": 0.5,
                  "side_light": 0.2}  # fmt: skip
    for name, value in everything.items():
        before, after = changed(**{name: value})
        touched = (after - before).abs().mean(dim=(1, 2, 3)) > 0.1
        assert touched.float().mean() > 0.7, name
    before, after = changed(count=400, untouched=0.3, **everything)
    spared = (after - before).abs().amax(dim=(1, 2, 3)) < 0.01
    assert 80 < spared.sum() < 160


def test_erased_grey_level_can_be_random():
    before, after = changed(erasing=1, erased_area=0.2, erased_grey="random")
    covered = (after - before).abs() > 0.01
    hidden = [image[where].unique() for image, where in zip(after, covered, strict=True)]
    greys = torch.tensor([grey[0] for grey in hidden if len(grey) == 1])
    assert len(greys) > 40
    assert greys.min() < 60 < 200 < greys.max()


def test_equal_random_numbers_change_faces_equally():
    everything = Augmentation().model_dump()
    assert torch.equal(changed(**everything)[1], changed(**everything)[1])
    assert not torch.equal(changed(**everything)[1], changed(seed=1, **everything)[1])
