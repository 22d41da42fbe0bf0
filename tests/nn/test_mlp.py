"""Perceptrons run as one function, compared with their layers one by one."""

import pytest
import torch
from torch import nn

from mmerc.nn.mlp import ParallelMlps, mlp

WIDTHS = {"text": 7, "audio": 40, "video": 12}


def by_layers(layer, rows):
    """Output of a perceptron, with torch's gradients. The first four inputs are constant."""
    first, _, dropout, second = layer
    rows = torch.cat([rows[..., :4].detach(), rows[..., 4:]], -1)
    hidden = dropout(nn.functional.linear(rows, first.weight, first.bias).relu())
    return nn.functional.linear(hidden, second.weight, second.bias)


@pytest.fixture
def layers():
    torch.manual_seed(0)
    return ParallelMlps(
        {m: mlp(width, 6, hidden=8, dropout=0.3, constant=4) for m, width in WIDTHS.items()}
    )


def gradients(function, inputs, parameters):
    """Output and gradients towards inputs and parameters; dropout always draws the same."""
    inputs = {m: rows.clone().requires_grad_() for m, rows in inputs.items()}
    torch.manual_seed(1)
    output = function(inputs)
    output.square().sum().backward()
    values = [output, *(rows.grad for rows in inputs.values()), *(p.grad for p in parameters)]
    for parameter in parameters:
        parameter.grad = None
    return values


@pytest.mark.parametrize("training", [True, False])
def test_perceptrons_run_together_equal_layers_run_one_by_one(layers, training):
    layers.train(training)
    inputs = {m: torch.randn(5, width) for m, width in WIDTHS.items()}

    def one_by_one(rows):
        return torch.stack([by_layers(layers[m], rows[m]) for m in rows])

    parameters = list(layers.parameters())
    actual = gradients(layers, inputs, parameters)
    expected = gradients(one_by_one, inputs, parameters)
    for one, other in zip(actual, expected, strict=True):
        torch.testing.assert_close(one, other)
    assert ((actual[0] - layers.eval()(inputs)).abs() > 1e-3).any() == training


@pytest.mark.parametrize("shape", [(40,), (3, 40), (2, 3, 40), (0, 40), (2, 0, 40)])
def test_perceptron_reads_any_number_of_dimensions(layers, shape):
    layer, inputs = layers["audio"], {"audio": torch.randn(shape)}
    parameters = list(layer.parameters())
    actual = gradients(lambda rows: layer(rows["audio"]), inputs, parameters)
    expected = gradients(lambda rows: by_layers(layer, rows["audio"]), inputs, parameters)
    for one, other in zip(actual, expected, strict=True):
        torch.testing.assert_close(one, other)


def test_fewer_inputs_than_perceptrons(layers):
    inputs = {m: torch.randn(5, WIDTHS[m]) for m in ("video", "text")}
    output = layers.eval()(inputs)
    expected = torch.stack([by_layers(layers[m], rows) for m, rows in inputs.items()])
    torch.testing.assert_close(output, expected)


def test_names_of_weights_are_those_of_separate_layers(layers):
    assert set(layers.state_dict()) == {
        f"{m}.{place}.{kind}" for m in WIDTHS for place in (0, 3) for kind in ("weight", "bias")
    }
    with torch.no_grad():
        inputs = {m: torch.randn(5, width) for m, width in WIDTHS.items()}
        one_by_one = torch.stack([by_layers(layers.eval()[m], rows) for m, rows in inputs.items()])
        torch.testing.assert_close(layers(inputs), one_by_one)
    with torch.autocast("cpu", torch.bfloat16):
        assert layers(inputs).dtype == torch.bfloat16
