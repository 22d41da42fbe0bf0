"""Time of the contrastive loss of 1,024 utterances in three modalities, compared with loops."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable

import torch

from mmerc.nn.contrastive import contrastive_loss

UTTERANCES, WIDTH, TEMPERATURE = 1024, 300, 0.3


def loop_items(vectors: torch.Tensor, positives: torch.Tensor, items: int) -> torch.Tensor:
    """Compute the first ``items`` terms of DF-ERC's Eq. 5, as printed."""
    units = vectors / vectors.norm(dim=1, keepdim=True)
    losses = []
    for i in range(items):
        others = [j for j in range(len(units)) if j != i]
        total = torch.stack([(units[i] @ units[j] / TEMPERATURE).exp() for j in others]).sum()
        chosen = positives[i].nonzero().flatten().tolist()
        terms = [-((units[i] @ units[k] / TEMPERATURE).exp() / total).log() for k in chosen]
        losses.append(torch.stack(terms).mean())
    return torch.stack(losses).mean()


def loop_rows(vectors: torch.Tensor, positives: torch.Tensor, items: int) -> torch.Tensor:
    """Compute the terms with one row of similarities at a time, as in research code."""
    units = vectors / vectors.norm(dim=1, keepdim=True)
    losses = []
    for i in range(items):
        row = units @ units[i] / TEMPERATURE
        others = torch.cat([row[:i], row[i + 1 :]])
        losses.append((others.logsumexp(0) - row[positives[i]]).mean())
    return torch.stack(losses).mean()


def ours(vectors: torch.Tensor, positives: torch.Tensor, _: int) -> torch.Tensor:
    """Compute all terms at once."""
    return contrastive_loss(vectors, positives, temperature=TEMPERATURE)


def seconds(function: Callable[..., torch.Tensor], items: int) -> float:
    """Return the median time of forward and backward, extrapolated to all items."""
    torch.manual_seed(0)
    vectors = torch.randn(3 * UTTERANCES, WIDTH, requires_grad=True)
    utterance = torch.arange(3 * UTTERANCES) // 3
    positives = (utterance[:, None] == utterance) & ~torch.eye(3 * UTTERANCES, dtype=torch.bool)
    times = []
    for _ in range(3):
        started = time.perf_counter()
        function(vectors, positives, items).backward()
        times.append(time.perf_counter() - started)
    return sorted(times)[1] * 3 * UTTERANCES / items


def main() -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    fast = seconds(ours, 3 * UTTERANCES)
    memory = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    rows = seconds(loop_rows, 256)
    loop = seconds(loop_items, 1)
    print(f"contrastive loss, {3 * UTTERANCES} items, forward and backward: {fast * 1000:.0f} ms")
    print(f"  loop over pairs {loop:.0f} s (from 1 item): {loop / fast:.0f} times (bar 100)")
    print(f"  loop over rows {rows:.1f} s (from 256 items): {rows / fast:.0f} times")
    print(f"  memory {memory:.0f} MB (bar 400)")


if __name__ == "__main__":
    main()
