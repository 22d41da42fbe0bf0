"""Pack padded conversations into rows of real utterances, so that layers skip padding."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import torch
from torch import Tensor

from mmerc.nn.padding import ROW_STEP, round_up

_Name = TypeVar("_Name")


class Packing:
    """The U utterances of B conversations padded to N, in order.

    With ``skip_padding``, only real utterances; otherwise U is B x N. Under autocast, which
    compiles bfloat16 kernels for every U, U is padded to a multiple of 16.
    """

    def __init__(self, mask: Tensor, *, skip_padding: bool) -> None:
        self.mask = mask
        self.rows = mask.flatten().nonzero().squeeze(1) if skip_padding else None
        self.filling = 0
        if self.rows is not None and torch.is_autocast_enabled(mask.device.type):
            self.filling = round_up(len(self.rows), ROW_STEP) - len(self.rows)

    def pack(self, values: Tensor, *, fill: float = 0) -> Tensor:
        """Select the rows; padding rows have the value ``fill``.

        Shape: [B, N, ...] -> [U, ...].
        """
        flat = values.flatten(0, 1)
        if self.rows is None:
            return flat
        rows = flat.index_select(0, self.rows)
        if self.filling == 0:
            return rows
        return torch.cat([rows, rows.new_full((self.filling, *rows.shape[1:]), fill)])

    def pack_all(self, values: Mapping[_Name, Tensor], *, fill: float = 0) -> dict[_Name, Tensor]:
        """Select the rows of every value. Shape: [B, N, ...] -> [U, ...] each."""
        return {name: self.pack(value, fill=fill) for name, value in values.items()}

    def unpack(self, rows: Tensor) -> Tensor:
        """Put rows back, zeros at padding. Shape: [U, ...] -> [B, N, ...]."""
        if self.rows is not None:
            zeros = rows.new_zeros(self.mask.numel(), *rows.shape[1:])
            rows = zeros.index_copy_(0, self.rows, rows[: len(self.rows)])
        return rows.view(*self.mask.shape, *rows.shape[1:])

    def unpack_all(self, rows: Mapping[_Name, Tensor]) -> dict[_Name, Tensor]:
        """Put the rows of every value back. Shape: [U, ...] -> [B, N, ...] each."""
        return {name: self.unpack(value) for name, value in rows.items()}
