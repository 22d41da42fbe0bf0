"""Cross-entropy and its terms for rare classes."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from mmerc.nn.classification import class_balanced_weights, classification_loss


def case(seed=0, unknown=True):
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(3, 5, 4, generator=generator)
    labels = torch.randint(0, 4, (3, 5), generator=generator)
    if unknown:
        labels[torch.rand(3, 5, generator=generator) < 0.3] = -100
    return logits, labels


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("smoothing", [0.0, 0.15])
def test_loss_equals_torch(reduction, smoothing):
    logits, labels = case()
    expected = functional.cross_entropy(
        logits.flatten(0, 1), labels.flatten(), reduction=reduction, label_smoothing=smoothing
    )
    actual = classification_loss(logits, labels, reduction=reduction, label_smoothing=smoothing)
    torch.testing.assert_close(actual, expected)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_focal_loss_with_weights(reduction):
    """Lin et al. 2017: - w_k (1 - p)^gamma log p."""
    logits, labels = case(1)
    weights = torch.tensor([0.5, 1.0, 2.0, 0.0])
    terms = []
    for scores, label in zip(logits.flatten(0, 1), labels.flatten(), strict=True):
        if label >= 0:
            p = float(scores.softmax(-1)[label])
            terms.append(-float(weights[label]) * (1 - p) ** 2.5 * math.log(p))
    expected = sum(terms) / (len(terms) if reduction == "mean" else 1)
    actual = classification_loss(
        logits, labels, reduction=reduction, focus=2.5, class_weights=weights
    )
    assert float(actual) == pytest.approx(expected, rel=1e-4)


def test_focal_gradient_is_finite_for_certain_predictions():
    logits = torch.tensor([[200.0, 0.0, 0.0]], requires_grad=True)
    classification_loss(logits, torch.tensor([0]), focus=0.5).backward()
    assert torch.isfinite(logits.grad).all()


def test_unknown_labels_have_no_gradient():
    logits, labels = case(2)
    logits.requires_grad_()
    classification_loss(logits, labels, label_smoothing=0.1).backward()
    assert (logits.grad[labels < 0] == 0).all()
    assert (logits.grad[labels >= 0] != 0).any(-1).all()


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_loss_is_zero_if_all_labels_are_unknown(reduction):
    logits, labels = case(3)
    logits.requires_grad_()
    loss = classification_loss(logits, torch.full_like(labels, -100), reduction=reduction, focus=1)
    loss.backward()
    assert float(loss.detach()) == 0
    assert (logits.grad == 0).all()


@given(
    counts=st.lists(st.integers(0, 5000), min_size=2, max_size=8).filter(any),
    beta=st.sampled_from([0.0, 0.5, 0.9, 0.999, 0.9999]),
)
def test_class_balanced_weights(counts, beta):
    """Cui et al. 2019: (1 - beta) / (1 - beta^n); scaled to mean 1 over the training items."""
    raw = [(1 - beta) / (1 - beta**n) if n else 0.0 for n in counts]
    mean = sum(weight * n for weight, n in zip(raw, counts, strict=True)) / sum(counts)
    actual = class_balanced_weights(torch.tensor(counts), beta=beta)
    assert actual.tolist() == pytest.approx([weight / mean for weight in raw], rel=1e-4)


def test_class_balanced_weights_are_finite_without_labels():
    assert torch.isfinite(class_balanced_weights(torch.zeros(3), beta=0.9)).all()
