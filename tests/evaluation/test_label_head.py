"""A head for other labels: what it learns, and when it is rejected."""

import numpy as np
import pytest
from scipy.special import log_softmax

from mmerc.errors import InputError
from mmerc.evaluation.label_head import _fit, fit_label_head


def simulate(size=240, *, seed=0, weights=None, conversations=24):
    """Log probabilities of four labels, and three custom labels that depend on them."""
    numbers = np.random.default_rng(seed)
    logs = log_softmax(1.5 * numbers.normal(size=(size, 4)), axis=1)
    weights = np.zeros((4, 3)) if weights is None else weights
    shares = np.exp(log_softmax(logs @ weights, axis=1))
    gold = np.array([numbers.choice(3, p=row) for row in shares])
    return logs, gold, [f"c{i % conversations}" for i in range(size)]


WEIGHTS = np.array([[1.0, 0, -1], [0, 1.0, -1], [-0.5, -0.5, 1], [0.5, -1, 0.5]])


def test_head_learns_what_a_mapping_cannot():
    outcome = fit_label_head(*simulate(weights=WEIGHTS), classes=3)
    assert outcome.better and outcome.more_labels == 0
    logs, gold, _ = simulate(2000, seed=9, weights=WEIGHTS)
    true = log_softmax(logs @ WEIGHTS, axis=1)
    rows = np.arange(len(gold))
    lost = (true - outcome.head.apply(logs))[rows, gold].mean()
    assert lost < 0.05
    assert np.exp(outcome.held_out).sum(axis=1) == pytest.approx(1)


def test_random_labels_are_not_fitted():
    outcomes = [fit_label_head(*simulate(120, seed=seed), classes=3) for seed in range(2)]
    assert not any(outcome.better for outcome in outcomes if outcome.gain <= 0)
    assert sum(outcome.accuracy[1] > 50 for outcome in outcomes) == 0


def test_fit_is_the_maximum_a_posteriori():
    """Compared with another optimiser on the loss as defined."""
    from scipy.optimize import minimize

    logs, gold, _ = simulate(60, weights=WEIGHTS)
    centre, scale = logs.mean(axis=0), logs.std(axis=0)

    def loss(values):
        bias, weights = values[:3], values[3:].reshape(4, 3)
        likelihood = log_softmax((logs - centre) / scale @ weights + bias, axis=1)
        penalty = (bias**2).sum() / 3.0**2 + (weights**2).sum() / 0.3**2
        return -likelihood[np.arange(60), gold].sum() + penalty / 2

    best = minimize(loss, np.zeros(15), method="BFGS").x
    head = _fit(logs, gold, 3, 0.3)
    assert head.weights * scale[:, None] == pytest.approx(best[3:].reshape(4, 3), abs=1e-3)
    assert head.bias + centre @ head.weights == pytest.approx(best[:3], abs=1e-3)


@pytest.mark.parametrize(("size", "conversations"), [(19, 5), (40, 2)])
def test_too_few_labels_are_refused(size, conversations):
    with pytest.raises(InputError, match="label 20 utterances in 3 conversations"):
        fit_label_head(*simulate(size, conversations=conversations), classes=3)
