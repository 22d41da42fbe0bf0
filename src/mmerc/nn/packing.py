"""Pack padded conversations into rows of real utterances, so that layers skip padding."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import torch
from torch import Tensor

from mmerc.nn.padding import ROW_STEP, round_up

_Name = TypeVar("_Name")


class PresentPositions:
    """The P of B x N positions where something is present; only these are computed."""

    def __init__(self, present: Tensor) -> None:
        self.rows = present.flatten().nonzero().squeeze(1)
        self.shape = present.shape

    def take(self, vectors: Tensor) -> Tensor:
        """Select the present positions. Shape: [B, N, ...] -> [P, ...]."""
        return vectors.flatten(0, 1).index_select(0, self.rows)

    def spread(self, vectors: Tensor) -> Tensor:
        """Scatter values back, zeros elsewhere. Shape: [P, ...] -> [B, N, ...]."""
        batch, length = self.shape
        zeros = vectors.new_zeros(batch * length, *vectors.shape[1:])
        spread = zeros.index_copy_(0, self.rows, vectors)
        return spread.view(batch, length, *vectors.shape[1:])


class Packing:
    """The U utterances of B conversations padded to N, in order.

    With ``skip_padding``, only real utterances; otherwise U is B x N. Under autocast, which
    compiles bfloat16 kernels for every U, U is padded to a multiple of 16.
    """

    def __init__(self, mask: Tensor, *, skip_padding: bool) -> None:
        self.mask = mask
        self.real = PresentPositions(mask) if skip_padding else None
        self.filling = 0
        if self.real is not None and torch.is_autocast_enabled(mask.device.type):
            self.filling = round_up(len(self.real.rows), ROW_STEP) - len(self.real.rows)

    def pack(self, values: Tensor, *, fill: float = 0) -> Tensor:
        """Select the rows; padding rows have the value ``fill``.

        Shape: [B, N, ...] -> [U, ...].
        """
        if self.real is None:
            return values.flatten(0, 1)
        rows = self.real.take(values)
        if self.filling == 0:
            return rows
        return torch.cat([rows, rows.new_full((self.filling, *rows.shape[1:]), fill)])

    def pack_all(self, values: Mapping[_Name, Tensor], *, fill: float = 0) -> dict[_Name, Tensor]:
        """Select the rows of every value. Shape: [B, N, ...] -> [U, ...] each."""
        return {name: self.pack(value, fill=fill) for name, value in values.items()}

    def unpack(self, rows: Tensor) -> Tensor:
        """Put rows back, zeros at padding. Shape: [U, ...] -> [B, N, ...]."""
        if self.real is None:
            return rows.view(*self.mask.shape, *rows.shape[1:])
        return self.real.spread(rows[: len(self.real.rows)])

    def unpack_all(self, rows: Mapping[_Name, Tensor]) -> dict[_Name, Tensor]:
        """Put the rows of every value back. Shape: [U, ...] -> [B, N, ...] each."""
        return {name: self.unpack(value) for name, value in rows.items()}
