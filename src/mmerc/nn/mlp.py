"""The multilayer perceptron used in the papers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from mmerc.nn.dropout import FastDropout, dropout_mask
from mmerc.nn.wide_linear import WideLinear, input_gradient, weight_gradient


class Mlp(nn.Sequential):
    """Linear - ReLU - Dropout - Linear. In training on a CPU, one function with its gradient."""

    def __init__(self, first: nn.Linear, dropout: float, second: nn.Linear) -> None:
        super().__init__(first, nn.ReLU(), FastDropout(dropout), second)

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002
        if not _uses_own_gradient(input):
            return cast(Tensor, super().forward(input))  # type: ignore[no-untyped-call]
        output = _run_together([self], [input.reshape(-1, input.shape[-1])])
        return output.view(*input.shape[:-1], output.shape[-1])


class ParallelMlps(nn.ModuleDict):
    """Perceptrons with equal hidden widths, dropout and outputs, each with an input of its own.

    In training on a CPU, all that happens between their matrix products is done for all at once.
    """

    def forward(self, inputs: Mapping[Any, Tensor]) -> Tensor:
        """Shape: inputs[name] [U, D_name], all M or fewer names -> [M, U, width_out]."""
        layers, rows = [cast(Mlp, self[name]) for name in inputs], list(inputs.values())
        if _uses_own_gradient(rows[0]):
            return _run_together(layers, rows)
        return torch.stack([layer(values) for layer, values in zip(layers, rows, strict=True)])


def _uses_own_gradient(inputs: Tensor) -> bool:
    """Whether gradients are computed by ``_Mlps`` instead of layer by layer."""
    device = inputs.device.type
    return device == "cpu" and torch.is_grad_enabled() and not torch.is_autocast_enabled(device)


def _run_together(layers: Sequence[Mlp], inputs: Sequence[Tensor]) -> Tensor:
    """Run M perceptrons. Shape: inputs [U, D_m] each -> [M, U, width_out]."""
    dropout = layers[0][2]
    rate = dropout.p if dropout.training else 0.0
    constant = [x[0].constant if isinstance(x[0], WideLinear) else 0 for x in layers]
    weights = zip(*([*x[0].parameters(), *x[3].parameters()] for x in layers), strict=True)
    output: Tensor = _Mlps.apply(  # type: ignore[no-untyped-call]
        rate, constant, *inputs, *chain.from_iterable(weights)
    )
    return output


class _Mlps(torch.autograd.Function):
    """M perceptrons and their gradients.

    Layer by layer, autograd would store three hidden vectors instead of one.
    """

    @staticmethod
    def forward(ctx: Any, rate: float, constant: Sequence[int], *tensors: Tensor) -> Tensor:
        """Shape: M tensors each of inputs [U, D_m], weights, biases, weights, biases."""
        inputs, first, first_bias, second, second_bias = _fifths(tensors)
        hidden = _linear(inputs, first, first_bias).relu_()
        if rate > 0:
            hidden *= dropout_mask(hidden.shape, rate)
        ctx.save_for_backward(*inputs, *first, *second, hidden)
        ctx.scale, ctx.constant = 1 / (1 - rate), constant
        return _linear(hidden.unbind(), second, second_bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, into: Tensor) -> tuple[Any, ...]:
        *saved, hidden = ctx.saved_tensors
        count = len(hidden)
        inputs, first, second = saved[:count], saved[count : 2 * count], saved[2 * count :]
        into_hidden = torch.empty_like(hidden)
        for gradient, weight, to in zip(into, second, into_hidden, strict=True):
            torch.mm(gradient, weight, out=to)
        into_hidden.mul_(hidden.sign()).mul_(ctx.scale)
        into_inputs = [
            input_gradient(gradient, weight, constant) if needed else None
            for gradient, weight, constant, needed in zip(
                into_hidden, first, ctx.constant, ctx.needs_input_grad[2 : 2 + count], strict=True
            )
        ]
        into_first = map(weight_gradient, into_hidden, inputs)
        into_second = map(weight_gradient, into, hidden)
        biases = into_hidden.sum(1), into.sum(1)
        return None, None, *into_inputs, *into_first, *biases[0], *into_second, *biases[1]


def _fifths(tensors: Sequence[Tensor]) -> list[Sequence[Tensor]]:
    """Split a sequence into five of equal length."""
    count = len(tensors) // 5
    return [tensors[i * count : (i + 1) * count] for i in range(5)]


def _linear(
    inputs: Sequence[Tensor], weights: Sequence[Tensor], biases: Sequence[Tensor]
) -> Tensor:
    """Apply M linear layers. Shape: inputs [U, D_m] each -> [M, U, width_out]."""
    output = inputs[0].new_empty(len(inputs), len(inputs[0]), len(biases[0]))
    for to, rows, weight, bias in zip(output, inputs, weights, biases, strict=True):
        torch.addmm(bias, rows, weight.mT, out=to)
    return output


def mlp(
    width_in: int,
    width_out: int,
    *,
    hidden: int | None = None,
    dropout: float,
    constant: int = 0,
) -> Mlp:
    """Build Linear - ReLU - Dropout - Linear ([decided]: DF-ERC gives no depth).

    Shape: [..., width_in] -> [..., width_out]. ``hidden`` is ``width_out`` by default. The first
    ``constant`` inputs are stored vectors (``linear``).
    """
    hidden = width_out if hidden is None else hidden
    first = linear(width_in, hidden, constant=constant)
    return Mlp(first, dropout, nn.Linear(hidden, width_out))


def linear(width_in: int, width_out: int, *, constant: int) -> nn.Linear:
    """Build a linear layer, without a gradient towards its first ``constant`` inputs."""
    if constant == 0 and width_in <= 2 * width_out:
        return nn.Linear(width_in, width_out)
    return WideLinear(width_in, width_out, constant=constant)
