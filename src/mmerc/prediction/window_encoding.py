"""Encode text fast, with bounded memory for requests of any length."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from mmerc.data.batch import TextWindows
from mmerc.models.inputs import encode_windows
from mmerc.nn.text_encoder import TextEncoder
from mmerc.precision import fast_bfloat16

_WINDOW_COUNTS = (8, 4, 2, 1)


def encode_in_few_shapes(windows: TextWindows, encoder: TextEncoder, shape: torch.Size) -> Tensor:
    """Like ``encode_windows``, in bfloat16 if the CPU supports it, a few windows at a time.

    oneDNN compiles a bfloat16 kernel for every new shape and never frees its half megabyte. Windows
    have multiples of 16 tokens; encoding them in fixed numbers keeps shapes few.

    Shape: -> [*shape, width].
    """
    text = torch.zeros(*shape, encoder.width, device=windows.token_ids.device)
    fast = fast_bfloat16("cpu")
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=fast):
        for part in _split_windows(windows):
            text += encode_windows(part, encoder, shape)  # each utterance is in exactly one window
    return text


def _split_windows(windows: TextWindows) -> Iterator[TextWindows]:
    """Yield all windows in order: in groups of eight, then four, two and one."""
    start, count = 0, len(windows.token_ids)
    while start < count:
        size = next(size for size in _WINDOW_COUNTS if size <= count - start)
        rows = slice(start, start + size)
        yield TextWindows(
            token_ids=windows.token_ids[rows],
            attention_mask=windows.attention_mask[rows],
            pool_into=windows.pool_into[rows],
        )
        start += size
