"""A linear layer for wide inputs, some of which may be constants."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

_GROUP = 512


class WideLinear(nn.Linear):
    """``nn.Linear`` with a faster gradient for many inputs and few outputs.

    - The first ``constant`` inputs are stored vectors, which need no gradient. Autograd would
      compute it only because the other inputs need one; here it is zero.
    - The gradient of the weights is computed in groups of inputs (``weight_gradient``).

    Shape: [..., width_in] -> [..., width_out].
    """

    def __init__(self, width_in: int, width_out: int, *, constant: int = 0) -> None:
        super().__init__(width_in, width_out)
        self.constant = constant

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002
        if not torch.is_grad_enabled() or torch.is_autocast_enabled(input.device.type):
            return super().forward(input)
        output: Tensor = _WideLinear.apply(  # type: ignore[no-untyped-call]
            input, self.weight, self.bias, self.constant
        )
        return output


def weight_gradient(into: Tensor, rows: Tensor) -> Tensor:
    """Compute a linear layer's gradient towards its weights, in groups of inputs.

    While other programs use the cores, MKL gains nothing from a second thread for a product of few
    rows with a much wider than high result; with groups it does (docs/speed.md).

    Shape: into [B, width_out], rows [B, width_in] -> [width_out, width_in].
    """
    outputs, inputs = into.shape[1], rows.shape[1]
    groups = round(inputs / max(_GROUP, outputs + outputs // 2))
    if groups <= 1:
        return into.mT @ rows
    gradient = into.new_empty(outputs, inputs)
    width = -(-inputs // groups)
    for start in range(0, inputs, width):
        group = slice(start, start + width)
        torch.mm(into.mT, rows[:, group], out=gradient[:, group])
    return gradient


def input_gradient(into: Tensor, weight: Tensor, constant: int) -> Tensor:
    """Compute a linear layer's gradient towards its inputs, 0 for the first ``constant``.

    Shape: into [..., width_out], weight [width_out, width_in] -> [..., width_in].
    """
    if constant == 0:
        return into @ weight
    return functional.pad(into @ weight[:, constant:], (constant, 0))


class _WideLinear(torch.autograd.Function):
    """Connects ``WideLinear`` to autograd."""

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, weight: Tensor, bias: Tensor, constant: int) -> Tensor:
        ctx.save_for_backward(inputs, weight)
        ctx.constant = constant
        return functional.linear(inputs, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, into: Tensor) -> tuple[Tensor | None, ...]:
        inputs, weight = ctx.saved_tensors
        into_inputs = None
        if ctx.needs_input_grad[0]:
            into_inputs = input_gradient(into, weight, ctx.constant)
        rows, gradients = inputs.flatten(0, -2), into.flatten(0, -2)
        return into_inputs, weight_gradient(gradients, rows), gradients.sum(0), None
