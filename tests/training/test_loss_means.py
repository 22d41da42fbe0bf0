"""Means of the loss terms, compared with a loop."""

import pytest
import torch

from mmerc.training.loss_means import LossMeans


def test_terms_are_averaged_over_utterances_until_restarted():
    means = LossMeans()
    assert means.compute() == {}
    batches = [(3, 2.0, 5.0), (1, 4.0, -1.0), (2, 0.5, 0.0)]
    for _ in range(2):
        for utterances, first, second in batches:
            terms = {
                "first": torch.tensor(first, requires_grad=True),
                "second": torch.tensor(second),
            }
            means.add(terms, utterances)
        expected = {
            "first": sum(n * first for n, first, _ in batches) / 6,
            "second": sum(n * second for n, _, second in batches) / 6,
        }
        assert {name: float(mean) for name, mean in means.compute().items()} == pytest.approx(
            expected
        )
        assert means.utterances == 6
        means.restart()
    assert means.compute() == {}


def test_other_terms_in_a_later_batch_are_refused():
    means = LossMeans()
    means.add({"emotion": torch.tensor(1.0)}, 2)
    with pytest.raises(ValueError, match="loss terms: expected"):
        means.add({"contrast": torch.tensor(1.0)}, 2)
