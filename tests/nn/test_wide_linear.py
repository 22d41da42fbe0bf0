"""Wide linear layers, compared with torch's."""

import pytest
import torch
from torch import nn

from mmerc.nn.mlp import linear
from mmerc.nn.wide_linear import WideLinear, weight_gradient


def test_constant_inputs_get_no_gradient_and_others_are_unchanged():
    torch.manual_seed(0)
    layer = WideLinear(7, 3, constant=4)
    stored, learnt = torch.randn(2, 5, 4), torch.randn(2, 5, 3)
    results = []
    for run in (layer, lambda x: torch.nn.functional.linear(x, layer.weight, layer.bias)):
        layer.zero_grad()
        beside = learnt.clone().requires_grad_()
        output = run(torch.cat([stored, beside], -1))
        output.square().sum().backward()
        results.append((output, beside.grad, layer.weight.grad, layer.bias.grad))
    for actual, expected in zip(*results, strict=True):
        torch.testing.assert_close(actual, expected)
    inputs = torch.randn(5, 7, requires_grad=True)
    layer(inputs).sum().backward()
    assert (inputs.grad[:, :4] == 0).all() and (inputs.grad[:, 4:] != 0).all()


@pytest.mark.parametrize(("width_in", "width_out"), [(7, 3), (512, 5), (1300, 400), (2182, 500)])
def test_grouped_gradients_equal_one_product(width_in, width_out):
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(77, width_in, generator=generator)
    into = torch.randn(77, width_out, generator=generator)
    assert weight_gradient(into, rows).is_contiguous()
    torch.testing.assert_close(weight_gradient(into, rows), into.mT @ rows)


def test_layer_with_many_more_inputs_than_outputs_is_wide():
    wide, usual = linear(1582, 300, constant=0), linear(500, 300, constant=0)
    assert type(wide) is WideLinear and type(usual) is nn.Linear
    inputs = torch.randn(3, 4, 1582, requires_grad=True)
    wide(inputs).sum().backward()
    torch.testing.assert_close(inputs.grad, wide.weight.sum(0).expand_as(inputs))
