"""Speed of our kernels and the context LSTM, and memory growth due to new shapes."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import torch
from torch import nn
from torch.nn.functional import scaled_dot_product_attention
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from mmerc.nn.attention import attention
from mmerc.nn.context_lstm import ContextLstm
from mmerc.nn.dropout import FastDropout

WINDOWS, HEADS, WIDTH = 8, 12, 32
RUNS = 30
SHAPES = 300


def milliseconds(function: Callable[[], torch.Tensor]) -> float:
    """Return the median time of forward and backward."""
    times = []
    for _ in range(RUNS):
        started = time.perf_counter()
        output = function()
        output.backward(torch.ones_like(output))
        times.append(time.perf_counter() - started)
    return 1000 * sorted(times)[RUNS // 2]


def compare_context() -> None:
    """Compare DF-ERC's context LSTM with torch's LSTM on packed conversations."""
    lengths = torch.tensor([3, 5, 7, 8, 10, 12, 14, 17])
    mask = torch.arange(17) < lengths[:, None]
    vectors = torch.randn(8, 17, 300, requires_grad=True)
    context = ContextLstm(300, 300)

    def packed() -> torch.Tensor:
        rows = pack_padded_sequence(vectors, lengths, batch_first=True, enforce_sorted=False)
        return pad_packed_sequence(context.lstm(rows)[0], batch_first=True)[0]

    difference = (packed() - context(vectors, mask)).abs().max()
    slow, fast = milliseconds(packed), milliseconds(lambda: context(vectors, mask))
    print(
        f"LSTM of 300 each way, 8 conversations of up to 17: packed {slow:.1f}, ours {fast:.1f}, "
        f"{slow / fast:.1f} times; difference {difference:.0e}"
    )


def memory() -> float:
    """Return the megabytes of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


@torch.inference_mode()
def growth(*, bfloat16: bool) -> float:
    """Return the megabytes kept after a linear layer was used with ``SHAPES`` batch sizes."""
    layer, vectors = nn.Linear(384, 1536), torch.randn(SHAPES + 1, 384)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bfloat16):
        layer(vectors)
        before = memory()
        for rows in range(1, SHAPES + 1):
            layer(vectors[:rows])
    return memory() - before


def main() -> None:
    module = SimpleNamespace(training=True, is_causal=False)
    print("attention, 8 windows, 12 heads, bfloat16, forward and backward, milliseconds")
    for length in (64, 134, 192):
        tensors = [
            torch.randn(WINDOWS, HEADS, length, WIDTH, dtype=torch.bfloat16, requires_grad=True)
            for _ in range(3)
        ]
        mask = torch.ones(WINDOWS, 1, 1, length, dtype=torch.bool)
        fused = milliseconds(lambda: scaled_dot_product_attention(*tensors, attn_mask=mask))  # noqa: B023
        plain = milliseconds(lambda: attention(module, *tensors, mask)[0])  # noqa: B023
        print(f"  {length} tokens: fused {fused:.1f}, ours {plain:.1f}, {fused / plain:.1f} times")
    vectors = torch.randn(1072, 384, dtype=torch.bfloat16, requires_grad=True)
    theirs, ours = nn.Dropout(0.1), FastDropout(0.1)
    slow = milliseconds(lambda: theirs(vectors))
    fast = milliseconds(lambda: ours(vectors))
    print(f"dropout of 1072 x 384: torch {slow:.1f}, ours {fast:.1f}, {slow / fast:.1f} times")
    compare_context()
    whole, half = growth(bfloat16=False), growth(bfloat16=True)
    print(f"memory that {SHAPES} shapes leave: float32 {whole:.0f} MB, bfloat16 {half:.0f} MB")


if __name__ == "__main__":
    main()
