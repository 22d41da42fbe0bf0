"""Temperature scaling, compared with its definition."""

import numpy as np
import pytest

from mmerc.errors import InputError
from mmerc.evaluation.calibration import fit_temperature, temper
from mmerc.evaluation.metrics import calibration_error, negative_log_likelihood
from mmerc.evaluation.predictions import Predictions
from mmerc.labels import LabelSet

LABELS = LabelSet("few", ("a", "b", "c"))


def simulate(*, overconfidence, count=20_000, seed=0):
    """Labels drawn from known probabilities, and a sharper or softer version as predictions."""
    numbers = np.random.default_rng(seed)
    scores = numbers.normal(0, 1.5, (count, 3))
    true = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
    gold = (true.cumsum(1) < numbers.random((count, 1))).sum(1)
    message = np.exp(scores * overconfidence)
    nothing = np.full(count, np.nan, np.float32)
    return Predictions(
        labels=LABELS,
        conversations=("c",) * count,
        utterances=tuple(map(str, range(count))),
        gold=gold.astype(np.int64),
        probabilities=(message / message.sum(1, keepdims=True)).astype(np.float32),
        weights={},
        similarity=nothing,
        context_weight=nothing,
    )


@pytest.mark.parametrize("overconfidence", [0.4, 1.0, 3.0])
def test_temperature_corrects_overconfidence(overconfidence):
    predictions = simulate(overconfidence=overconfidence)
    temperature = fit_temperature(predictions)
    assert temperature == pytest.approx(overconfidence, rel=0.05)
    assert calibration_error(temper(predictions, temperature)) < 2
    for other in (0.8, 1.25):
        worse = negative_log_likelihood(temper(predictions, temperature * other))
        assert worse > negative_log_likelihood(temper(predictions, temperature))


def test_temperature_keeps_the_predicted_label():
    predictions = simulate(overconfidence=2.0, count=100)
    assert (temper(predictions, 3.0).predicted == predictions.predicted).all()


def test_unlabelled_data_is_refused():
    predictions = simulate(overconfidence=1.0, count=3)
    predictions.gold[:] = -100
    with pytest.raises(InputError, match="no utterance has a gold label"):
        fit_temperature(predictions)
