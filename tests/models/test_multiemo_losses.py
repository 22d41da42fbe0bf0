"""MultiEMO's two losses over batches, compared with loops; batches with missing classes."""

import pytest
import torch
from multiemo_oracles import soft_hgr_oracle, swfc_oracle

from mmerc.models.multiemo.losses import class_weights, soft_hgr_loss
from mmerc.models.multiemo.losses import sample_weighted_focal_contrastive_loss as swfc

SETTINGS = {"temperature": 0.8, "focus": 2.0, "sample_weight": 0.8}


def case():
    """Class 2 occurs once, class 3 is absent, some labels are unknown."""
    vectors = 1.5 * torch.randn(14, 5, generator=torch.Generator().manual_seed(0))
    labels = torch.tensor([0, 1, 0, -100, 1, 2, 0, 0, -100, 1, 0, 1, 0, 0])
    return vectors.requires_grad_(), labels


def gradients(loss, vectors):
    return torch.autograd.grad(loss, vectors)[0]


@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("class_counts", [None, [40, 20, 0, 5], [9, 3, 1, 2]])
@pytest.mark.parametrize("scale", ["raw", "sum", "mean"])
@pytest.mark.parametrize("changes", [{}, {"focus": 0.0}, {"temperature": 0.3, "focus": 0.5}])
def test_contrast_equals_eqs_18_and_19(normalize, class_counts, scale, changes):
    vectors, labels = case()
    settings = SETTINGS | changes | {"weight_scale": scale}
    counts = None if class_counts is None else torch.tensor(class_counts)
    actual = swfc(vectors, labels, class_counts=counts, normalize=normalize, **settings)
    expected = swfc_oracle(
        vectors.double(), labels, class_counts=class_counts, normalize=normalize, **settings
    ).float()
    assert float(expected.detach()) > 0.01
    torch.testing.assert_close(actual, expected, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(
        gradients(actual, vectors), gradients(expected, vectors), atol=1e-5, rtol=1e-4
    )


MELD_COUNTS = torch.tensor([4710, 1205, 268, 683, 1743, 271, 1109])


def test_scales_of_the_class_weights_on_meld():
    """Raw weights average 4.4 over the utterances; the released code's are 62 times smaller."""
    labels = torch.repeat_interleave(torch.arange(7), MELD_COUNTS)
    raw, summed, mean = (class_weights(labels, MELD_COUNTS, 0.8, s) for s in ("raw", "sum", "mean"))
    assert float(raw.mean()) == pytest.approx(4.42, abs=0.01)
    assert float(raw[0] / summed[0]) == pytest.approx(61.6, abs=0.1)
    assert float(mean.mean()) == pytest.approx(1.0, abs=1e-4)
    torch.testing.assert_close(class_weights(labels, None, 0.8, "mean"), mean)


def test_perfectly_separated_classes_cost_about_the_logarithm_of_their_size():
    """Positives share the softmax, so no item's loss is far below w log(n - 1)."""
    counts = MELD_COUNTS // 16
    labels = torch.repeat_interleave(torch.arange(7), counts)
    loss = swfc(torch.eye(7)[labels] - 1 / 7, labels, **SETTINGS)
    weights = class_weights(labels, None, 0.8)
    lowest = (weights * (counts[labels] - 1.0).log()).mean()
    assert float(lowest) == pytest.approx(18.5, abs=0.1)
    assert float(lowest) < float(loss) < 1.4 * float(lowest)


def test_rare_classes_have_larger_weights():
    """A pair against a class of six: the attraction within the pair grows more."""
    labels = torch.tensor([0, 0, 0, 0, 0, 0, 1, 1])
    vectors = torch.eye(8)[:, :8].requires_grad_()
    even = gradients(swfc(vectors, labels, **SETTINGS | {"sample_weight": 0.0}), vectors)
    rare = gradients(swfc(vectors, labels, **SETTINGS), vectors)
    assert float(rare[6, 7] / even[6, 7]) == pytest.approx(4**0.8, rel=1e-4)
    assert float(rare[0, 1] / even[0, 1]) == pytest.approx((8 / 6) ** 0.8, rel=1e-4)


def test_contrast_takes_leading_dimensions_and_sums():
    vectors, labels = case()
    flat = swfc(vectors, labels, **SETTINGS)
    stacked = swfc(vectors.view(2, 7, 5), labels.view(2, 7), **SETTINGS)
    torch.testing.assert_close(stacked, flat)
    total = swfc(vectors, labels, reduction="sum", **SETTINGS)
    torch.testing.assert_close(total, flat * int((labels >= 0).sum()))


@pytest.mark.parametrize(
    "labels",
    [[-100] * 4, [0, -100, -100, -100], [0, 1, 2, 3], [0, 1, -100, -100]],
    ids=["unknown", "one", "all different", "two"],
)
def test_contrast_without_a_positive_is_zero(labels):
    vectors = case()[0][:4].detach().requires_grad_()
    loss = swfc(vectors, torch.tensor(labels), **SETTINGS)
    assert float(loss.detach()) == 0
    assert (gradients(loss, vectors) == 0).all()


@pytest.mark.parametrize("focus", [0.0, 0.5, 2.0])
def test_contrast_of_a_certain_pair_has_a_finite_gradient(focus):
    """Two items of one class: s is exactly 1."""
    vectors, _ = case()
    vectors = vectors[:2].detach().requires_grad_()
    loss = swfc(vectors, torch.tensor([1, 1]), **SETTINGS | {"focus": focus})
    assert abs(float(loss.detach())) < 1e-5
    assert torch.isfinite(gradients(loss, vectors)).all()


@pytest.mark.parametrize("normalize", [True, False])
def test_contrast_of_extreme_vectors_is_finite(normalize):
    vectors, labels = case()
    for scale in (0.0, 1e-20, 1e4):
        large = (vectors.detach() * scale).requires_grad_()
        loss = swfc(large, labels, normalize=normalize, **SETTINGS)
        assert torch.isfinite(loss)
        assert torch.isfinite(gradients(loss, large)).all()


def test_contrast_refuses_labels_of_another_shape():
    vectors, labels = case()
    with pytest.raises(ValueError, match=r"labels: expected shape \(14,\), got \(13,\)"):
        swfc(vectors, labels[1:], **SETTINGS)


@pytest.mark.parametrize("items", [2, 3, 40])
@pytest.mark.parametrize("width", [1, 6])
def test_correlation_equals_eq_20(items, width):
    torch.manual_seed(1)
    first = 3 + torch.randn(items, width)
    second = -1 + torch.randn(items, width) + first
    expected = soft_hgr_oracle(first, second)
    assert abs(expected) > 1e-3
    assert float(soft_hgr_loss(first, second)) == pytest.approx(expected, rel=1e-3, abs=1e-4)
    moved = soft_hgr_loss(first + 100, second - 50)  # features are centred
    assert float(moved) == pytest.approx(expected, rel=1e-2, abs=1e-2)


def test_correlation_is_lowest_for_equal_features():
    """For white features: -D/2 if equal, D/2 if unrelated (Wang et al. 2019)."""
    torch.manual_seed(2)
    raw = torch.randn(4000, 3, dtype=torch.float64)
    white = torch.linalg.qr(raw - raw.mean(0))[0] * 4000**0.5
    assert float(soft_hgr_loss(white, white)) == pytest.approx(-1.5, abs=1e-2)
    assert float(soft_hgr_loss(white, torch.randn(4000, 3))) == pytest.approx(1.5, abs=0.2)


@pytest.mark.parametrize("items", [0, 1])
def test_correlation_of_fewer_than_two_items_is_zero(items):
    first = torch.randn(items, 3, requires_grad=True)
    loss = soft_hgr_loss(first, torch.randn(items, 3))
    assert float(loss.detach()) == 0
    assert (gradients(loss, first) == 0).all()


def test_correlation_refuses_features_of_another_shape():
    with pytest.raises(ValueError, match=r"second: expected shape \(4, 3\), got \(4, 2\)"):
        soft_hgr_loss(torch.zeros(4, 3), torch.zeros(4, 2))


@pytest.mark.parametrize("items", [2, 30])
def test_correlation_gradient_equals_autograd(items):
    torch.manual_seed(4)
    sides = [torch.randn(items, 5, dtype=torch.float64, requires_grad=True) for _ in range(2)]
    one, other = (side - side.mean(0) for side in sides)
    covariances = [torch.cov(side.T) for side in sides]
    agreement = torch.stack([q @ v for q, v in zip(one, other, strict=True)]).mean()
    loss = torch.trace(covariances[0] @ covariances[1]) / 2 - agreement
    expected = torch.autograd.grad(3 * loss, sides)
    actual = torch.autograd.grad(3 * soft_hgr_loss(*sides), sides)
    for mine, theirs in zip(actual, expected, strict=True):
        assert float(theirs.abs().max()) > 1e-2
        torch.testing.assert_close(mine, theirs, atol=1e-4, rtol=1e-4)
