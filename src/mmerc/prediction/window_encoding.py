"""Encode text fast, with bounded memory for requests of any length."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from mmerc.data.batch import TextWindows
from mmerc.models.inputs import encode_windows
from mmerc.nn.padding import split_count
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
    sizes = split_count(len(windows.token_ids), _WINDOW_COUNTS)
    columns = (windows.token_ids, windows.attention_mask, windows.pool_into)
    for ids, mask, targets in zip(*(torch.split(c, sizes) for c in columns), strict=True):
        yield TextWindows(token_ids=ids, attention_mask=mask, pool_into=targets)
