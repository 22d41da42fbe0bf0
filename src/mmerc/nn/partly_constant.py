"""A linear layer that computes no gradient towards inputs that are constants."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional


class PartlyConstantLinear(nn.Linear):
    """``nn.Linear`` whose first ``constant`` inputs are stored vectors, which nothing learns from.

    Their gradient is zero: autograd would compute it only because the inputs beside them need one.

    Shape: [..., width_in] -> [..., width_out].
    """

    def __init__(self, width_in: int, width_out: int, *, constant: int) -> None:
        super().__init__(width_in, width_out)
        self.constant = constant

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002
        if not torch.is_grad_enabled() or torch.is_autocast_enabled(input.device.type):
            return super().forward(input)
        output: Tensor = _PartlyConstant.apply(  # type: ignore[no-untyped-call]
            input, self.weight, self.bias, self.constant
        )
        return output


class _PartlyConstant(torch.autograd.Function):
    """Connects ``PartlyConstantLinear`` to autograd."""

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
            into_learnt = into @ weight[:, ctx.constant :]
            into_inputs = functional.pad(into_learnt, (ctx.constant, 0))
        rows, gradients = inputs.flatten(0, -2), into.flatten(0, -2)
        return into_inputs, gradients.mT @ rows, gradients.sum(0), None
