"""Losses whose gradients are computed together with their values.

Autograd would store and traverse every intermediate result.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


def with_gradient(function: Callable[..., Any], *arguments: Any) -> Tensor:
    """Compute a loss with a function that also returns gradients of its first arguments.

    ``function``: arguments -> (scalar, tuple of gradients).
    """
    loss: Tensor = _KnownGradient.apply(function, *arguments)  # type: ignore[no-untyped-call]
    return loss


class _KnownGradient(torch.autograd.Function):
    """Passes the gradients of ``with_gradient`` to autograd."""

    @staticmethod
    def forward(ctx: Any, function: Callable[..., Any], *arguments: Any) -> Tensor:
        loss: Tensor
        loss, gradients = function(*arguments)
        ctx.save_for_backward(*gradients)
        ctx.others = len(arguments) - len(gradients)
        return loss

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, into_loss: Tensor) -> tuple[Tensor | None, ...]:
        scaled = (into_loss * gradient for gradient in ctx.saved_tensors)
        return (None, *scaled, *(None,) * ctx.others)
