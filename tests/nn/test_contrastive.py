"""The contrastive loss, compared with loops over Eqs. 3 and 5 of DF-ERC."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmerc.nn.contrastive import contrastive_loss


def cosine(one, other):
    return (one * other).sum() / (one.norm() * other.norm())


def one_set_terms(vectors, positives, temperature, taking_part):
    """- log( exp(cos_ik / tau) / sum_{j != i} exp(cos_ij / tau) ) for every i and k in P(i)."""
    items = [i for i in range(len(vectors)) if taking_part[i]]
    terms = []
    for i in items:
        own = []
        for k in items:
            if k == i or not positives[i][k]:
                continue
            total = 0.0
            for j in items:
                if j != i:
                    total = total + torch.exp(cosine(vectors[i], vectors[j]) / temperature)
            own.append(-torch.log(torch.exp(cosine(vectors[i], vectors[k]) / temperature) / total))
        if own:
            terms.append(own)
    return terms


def oracle(sets, positives, temperature, reduction, taking_part=None):
    """Paper: sum over items and positives. Ours: mean over items of the mean over positives."""
    terms = []
    for number, vectors in enumerate(sets):
        part = [True] * len(vectors) if taking_part is None else taking_part[number]
        terms += one_set_terms(vectors, positives[number], temperature, part)
    if not terms:
        return torch.tensor(0.0, dtype=sets.dtype)
    if reduction == "sum":
        return sum(sum(own) for own in terms)
    return sum(sum(own) / len(own) for own in terms) / len(terms)


def random_case(sets, items, width, seed, density=0.4):
    generator = torch.Generator().manual_seed(seed)
    vectors = torch.randn(sets, items, width, generator=generator, dtype=torch.float64)
    positives = torch.rand(sets, items, items, generator=generator) < density
    positives &= ~torch.eye(items, dtype=torch.bool)
    taking_part = torch.rand(sets, items, generator=generator) < 0.7
    return vectors, positives, taking_part


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@settings(max_examples=25, deadline=None)
@given(
    sets=st.integers(1, 3),
    items=st.integers(1, 7),
    width=st.integers(1, 5),
    temperature=st.floats(0.1, 2),
    seed=st.integers(0, 1000),
    with_candidates=st.booleans(),
)
def test_loss_equals_the_equation(
    reduction, sets, items, width, temperature, seed, with_candidates
):
    vectors, positives, taking_part = random_case(sets, items, width, seed)
    expected = oracle(
        vectors, positives, temperature, reduction, taking_part if with_candidates else None
    )
    actual = contrastive_loss(
        vectors,
        positives,
        temperature=temperature,
        reduction=reduction,
        candidates=taking_part if with_candidates else None,
    )
    assert actual.dtype == torch.float32
    assert float(actual) == pytest.approx(float(expected), rel=1e-4, abs=1e-4)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_gradient_equals_the_equations(reduction):
    vectors, positives, taking_part = random_case(2, 6, 4, seed=3)
    requested = vectors.clone().requires_grad_()
    oracle(requested, positives, 0.5, reduction, taking_part).backward()
    given_vectors = vectors.float().requires_grad_()
    contrastive_loss(
        given_vectors, positives, temperature=0.5, reduction=reduction, candidates=taking_part
    ).backward()
    torch.testing.assert_close(given_vectors.grad.double(), requested.grad, atol=1e-5, rtol=1e-4)


def test_single_set_needs_no_leading_dimension():
    vectors, positives, _ = random_case(1, 5, 3, seed=1)
    alone = contrastive_loss(vectors[0], positives[0], temperature=0.5)
    assert float(alone) == pytest.approx(float(oracle(vectors, positives, 0.5, "mean")), rel=1e-5)


def test_more_leading_dimensions():
    vectors, positives, part = random_case(6, 4, 3, seed=2)
    expected = contrastive_loss(vectors, positives, temperature=0.5, candidates=part)
    actual = contrastive_loss(
        vectors.unflatten(0, (2, 3)),
        positives.unflatten(0, (2, 3)),
        temperature=0.5,
        candidates=part.unflatten(0, (2, 3)),
    )
    assert float(actual) == pytest.approx(float(expected), rel=1e-6)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_item_without_positive_contributes_nothing(reduction):
    """Three items, of which the third is only pushed away: its own term does not count."""
    vectors = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])
    positives = torch.zeros(3, 3, dtype=torch.bool)
    positives[0, 1] = positives[1, 0] = True
    # cosines: 0-1 0, 0-2 -1, 1-2 0
    first = math.log(math.exp(0) + math.exp(-1))
    second = math.log(math.exp(0) + math.exp(0))
    expected = first + second if reduction == "sum" else (first + second) / 2
    actual = contrastive_loss(vectors, positives, temperature=1.0, reduction=reduction)
    assert float(actual) == pytest.approx(expected, rel=1e-6)


def test_loss_and_gradient_are_zero_without_positives():
    vectors = torch.randn(4, 3, requires_grad=True)
    loss = contrastive_loss(vectors, torch.zeros(4, 4, dtype=torch.bool), temperature=0.5)
    loss.backward()
    assert float(loss.detach()) == 0
    assert (vectors.grad == 0).all()


def test_excluded_items_get_no_gradient():
    vectors, positives, part = random_case(1, 6, 3, seed=5)
    part[0] = torch.tensor([True, True, False, True, False, True])
    positives |= ~torch.eye(6, dtype=torch.bool)
    vectors = vectors.float().requires_grad_()
    contrastive_loss(vectors, positives, temperature=0.5, candidates=part).backward()
    assert (vectors.grad[0][~part[0]] == 0).all()
    assert (vectors.grad[0][part[0]] != 0).any(-1).all()


def test_zero_vectors_are_finite():
    vectors = torch.zeros(4, 3, requires_grad=True)
    positives = ~torch.eye(4, dtype=torch.bool)
    loss = contrastive_loss(vectors, positives, temperature=0.3)
    loss.backward()
    assert float(loss.detach()) == pytest.approx(math.log(3), rel=1e-6)
    assert torch.isfinite(vectors.grad).all()


@pytest.mark.parametrize("shape", [(3, 3), (4, 3), (1, 4, 4), (4,)])
def test_positives_of_wrong_shape_are_refused(shape):
    with pytest.raises(ValueError, match=r"expected shape \(4, 4\), got"):
        contrastive_loss(torch.randn(4, 2), torch.zeros(shape, dtype=torch.bool), temperature=1.0)


def test_autocast_keeps_float32_accuracy():
    vectors, positives, _ = random_case(1, 30, 16, seed=7)
    exact = oracle(vectors, positives, 0.1, "mean")
    with torch.autocast("cpu", dtype=torch.bfloat16):
        actual = contrastive_loss(vectors.float(), positives, temperature=0.1)
    assert actual.dtype == torch.float32
    assert float(actual) == pytest.approx(float(exact), rel=1e-5)
