import pytest
import torch
from torch import nn

from mmerc.nn.dropout import FastDropout, use_fast_dropout


@pytest.mark.parametrize("rate", [0.1, 0.2, 0.5, 0.9])
@pytest.mark.parametrize("shape", [(1,), (3, 5), (257, 129)])
def test_keeps_the_expectation_and_scales_kept_values(rate, shape):
    torch.manual_seed(0)
    dropped = torch.stack([FastDropout(rate)(torch.ones(shape)) for _ in range(40)])
    kept = dropped[dropped != 0]
    assert torch.allclose(kept, torch.full_like(kept, 1 / (1 - rate)))
    if dropped.numel() > 10_000:
        assert (dropped == 0).float().mean() == pytest.approx(rate, abs=0.005)
        # Neighbours come from one random word: they must be independent.
        zero = (dropped == 0).flatten().float()
        for distance in (1, 2, 3, 4):
            both = (zero[:-distance] * zero[distance:]).mean()
            assert both == pytest.approx(rate**2, abs=0.01)


def test_gradient_uses_the_mask_and_seeds_reproduce_it():
    layer, x = FastDropout(0.3), torch.ones(64, 8, requires_grad=True)
    torch.manual_seed(3)
    first = layer(x)
    first.sum().backward()
    assert torch.equal(x.grad, first.detach())
    torch.manual_seed(3)
    assert torch.equal(layer(x), first)


def test_evaluation_and_rate_zero_change_nothing():
    x = torch.randn(7, 3)
    assert torch.equal(FastDropout(0.5).eval()(x), x)
    assert torch.equal(FastDropout(0.0)(x), x)


def test_replaces_every_dropout_layer():
    module = nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.Dropout(0.4)), nn.Dropout(0.1))
    use_fast_dropout(module)
    actual = [m.p for m in module.modules() if isinstance(m, nn.Dropout)]
    assert actual == [0.4, 0.1]
    assert all(type(m) is FastDropout for m in module.modules() if isinstance(m, nn.Dropout))
