"""Text read fast, without memory that grows with every new length of what is sent."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from mmerc.data.batch import TextWindows
from mmerc.models.inputs import encode_windows
from mmerc.nn.text_encoder import TextEncoder
from mmerc.precision import fast_bfloat16

WINDOWS_AT_ONCE = (8, 4, 2, 1)


def encode_in_few_shapes(windows: TextWindows, encoder: TextEncoder, shape: torch.Size) -> Tensor:
    """As ``encode_windows``, in bfloat16 where the processor has it, some windows at a time.

    oneDNN compiles a bfloat16 kernel for every new shape and keeps about half a megabyte of it
    for good. Windows come in multiples of 16 tokens; so many at a time, they come in few shapes.

    Shape: -> [*shape, width].
    """
    text = torch.zeros(*shape, encoder.width, device=windows.token_ids.device)
    fast = fast_bfloat16("cpu")
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=fast):
        for part in parts(windows):
            text += encode_windows(part, encoder, shape)  # each utterance is in one
    return text


def parts(windows: TextWindows) -> Iterator[TextWindows]:
    """All windows, in order: eights, then what is left as a four, a two and a one."""
    start, count = 0, len(windows.token_ids)
    while start < count:
        size = next(size for size in WINDOWS_AT_ONCE if size <= count - start)
        rows = slice(start, start + size)
        yield TextWindows(
            token_ids=windows.token_ids[rows],
            attention_mask=windows.attention_mask[rows],
            pool_into=windows.pool_into[rows],
        )
        start += size
