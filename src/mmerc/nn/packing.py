"""Padded conversations as rows of real utterances, so that layers do not compute padding."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import torch
from torch import Tensor

from mmerc.nn.padding import ROW_STEP, round_up

_Name = TypeVar("_Name")


class Packing:
    """The U utterances of B conversations, padded to N, one after the other.

    With ``skip_padding``, U is the number of real utterances; otherwise it is B x N. Under
    autocast it is rounded up where there is padding to fill it, because a processor compiles its
    bfloat16 kernels for every U.
    """

    def __init__(self, mask: Tensor, *, skip_padding: bool) -> None:
        self.mask = mask
        self.rows: Tensor | None = None
        if skip_padding:
            step = ROW_STEP if torch.is_autocast_enabled(mask.device.type) else 1
            count = round_up(int(mask.sum()), step)
            self.rows = (~mask.flatten()).byte().argsort(stable=True)[:count]

    def pack(self, values: Tensor) -> Tensor:
        """Select the rows. Shape: [B, N, ...] -> [U, ...]."""
        flat = values.flatten(0, 1)
        return flat if self.rows is None else flat.index_select(0, self.rows)

    def pack_all(self, values: Mapping[_Name, Tensor]) -> dict[_Name, Tensor]:
        """Select the rows of every value. Shape: [B, N, ...] -> [U, ...] each."""
        return {name: self.pack(value) for name, value in values.items()}

    def unpack(self, rows: Tensor) -> Tensor:
        """Put rows back, zeros at padding. Shape: [U, ...] -> [B, N, ...]."""
        if self.rows is not None:
            everywhere = rows.new_zeros(self.mask.numel(), *rows.shape[1:])
            rows = everywhere.index_copy(0, self.rows, rows)
        return rows.view(*self.mask.shape, *rows.shape[1:])

    def unpack_all(self, rows: Mapping[_Name, Tensor]) -> dict[_Name, Tensor]:
        """Put the rows of every value back. Shape: [U, ...] -> [B, N, ...] each."""
        return {name: self.unpack(value) for name, value in rows.items()}
