"""Batch sampling, determined by seed and epoch."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

import torch
from torch.utils.data import Sampler

from mmerc.data.examples import Example

DEFAULT_PADDING = 0.1
_CHUNKS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 128, 256)


@dataclass(frozen=True, slots=True)
class BatchItem:
    """The properties of an example for sampling.

    ``key`` sorts examples by cost; ``lengths`` are padded to the longest in a batch.
    """

    utterances: int
    labelled: int
    key: int
    lengths: tuple[int, ...]

    @classmethod
    def of(cls, example: Example) -> BatchItem:
        return cls(
            utterances=max(1, len(example)),
            labelled=int((example.labels >= 0).sum()),
            key=example.cost,
            lengths=example.lengths,
        )


class SortedSampler(Sampler[list[int]]):
    """Evaluation batches of ``size`` examples, sorted by ``keys`` to limit padding."""

    def __init__(self, keys: Sequence[int], *, size: int) -> None:
        super().__init__()
        self.keys, self.size = keys, size

    def __len__(self) -> int:
        return math.ceil(len(self.keys) / self.size)

    def __iter__(self) -> Iterator[list[int]]:
        order = sorted(range(len(self.keys)), key=self.keys.__getitem__)
        return (order[i : i + self.size] for i in range(0, len(order), self.size))


class TrainingSampler(Sampler[list[int]]):
    """Training batches with balanced numbers of utterances, as random as ``padding`` allows.

    An epoch's random order is split into chunks; each chunk is sorted by length and split into
    batches, which are shuffled. Chunks are as small as the limit on padding allows; with a limit of
    1, a chunk is one (random) batch. The order depends only on seed and epoch.

    Every epoch has ``batches`` batches, rounded up to a multiple of ``world`` processes; each
    process takes every ``world``-th. Batches are repeated only if there are fewer examples than
    processes.
    """

    def __init__(
        self,
        items: Sequence[BatchItem],
        *,
        batches: int,
        padding: float = DEFAULT_PADDING,
        seed: int = 0,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        super().__init__()
        self.items, self.padding, self.seed = items, padding, seed
        self.rank, self.world, self.epoch = rank, world, 0
        rounded = math.ceil(batches / world) * world
        self.batches = max(1, min(rounded, self.examples_per_epoch)) if items else 0

    @property
    def examples_per_epoch(self) -> int:
        return len(self.items)

    @property
    def mean_labelled(self) -> float:
        """Mean number of labelled utterances per batch."""
        return sum(item.labelled for item in self.items) / max(1, self.batches)

    def __len__(self) -> int:
        return math.ceil(self.batches / self.world)

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __iter__(self) -> Iterator[list[int]]:
        batches = self.draw_epoch() if self.batches else []
        total = len(self) * self.world
        yield from (batches * self.world)[self.rank : total : self.world]

    def draw_epoch(self) -> list[list[int]]:
        """Draw all batches of the epoch, for all processes."""
        generator = torch.Generator().manual_seed(self.seed * 100_003 + self.epoch)
        order = self.draw_order(generator)
        batches: list[list[int]] = []
        for size in (*(size for size in _CHUNKS if size < self.batches), self.batches):
            batches = self.cut(order, chunk=size)
            if self.padding >= 1 or self.padding_share(batches) <= self.padding:
                break
        return [batches[i] for i in torch.randperm(len(batches), generator=generator).tolist()]

    def draw_order(self, generator: torch.Generator) -> list[int]:
        """Draw the random order of an epoch's examples."""
        order: list[int] = torch.randperm(len(self.items), generator=generator).tolist()
        return order

    def cut(self, order: Sequence[int], *, chunk: int) -> list[list[int]]:
        """Split an order into batches, sorted within chunks of ``chunk`` batches."""
        chunks = max(1, round(self.batches / chunk))
        ends = [self.batches * i // chunks for i in range(chunks + 1)]
        shares = [end - start for start, end in pairwise(ends)]
        batches: list[list[int]] = []
        for part, share in zip(self.share_out(order, shares), shares, strict=True):
            if share > 1:
                part.sort(key=lambda i: self.items[i].key)
            batches += self.share_out(part, [1] * share)
        return batches

    def share_out(self, order: Sequence[int], shares: Sequence[int]) -> list[list[int]]:
        """Split into contiguous parts with utterances in proportion to ``shares``.

        Each part has at least as many examples as its share.
        """
        totals = list(accumulate(self.items[i].utterances for i in order))
        whole, needed = sum(shares), list(accumulate(shares))
        ends = [0]
        for share, before in zip(shares[:-1], needed, strict=False):
            target = totals[-1] * before / whole
            end = bisect_left(totals, target)  # totals[end] is the first to reach the target
            if target - (totals[end - 1] if end else 0) > totals[end] - target:
                end += 1
            ends.append(min(max(end, ends[-1] + share), len(order) - (whole - before)))
        return [list(order[start:end]) for start, end in pairwise([*ends, len(order)])]

    def padding_share(self, batches: Iterable[Sequence[int]]) -> float:
        """Return the share of padding in batches."""
        real = padded = 0
        for batch in batches:
            columns = list(zip(*(self.items[i].lengths for i in batch), strict=True))
            real += sum(map(sum, columns))
            padded += len(batch) * sum(map(max, columns))
        return 1 - real / max(1, padded)


class BalancedSampler(TrainingSampler):
    """Training batches of utterances with upsampled rare classes (DQ-Former, Sec. 4.2).

    Every class gets at least ``upsampling`` times the examples of the largest; 0: off. Fractional
    repeats are drawn again for every pass. Epochs of ``per_epoch`` examples continue through a
    shuffled pass, which is reshuffled at its end; None, or more than available: an epoch is a pass.
    """

    def __init__(
        self,
        items: Sequence[BatchItem],
        labels: Sequence[int],
        *,
        size: int,
        seed: int,
        upsampling: float,
        per_epoch: int | None = None,
        padding: float = DEFAULT_PADDING,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        self.labels, self.upsampling = labels, upsampling
        self.counts = upsampled_counts(labels, upsampling)
        whole = sum(self.counts.values())
        self.per_epoch = whole if per_epoch is None else min(per_epoch, whole)
        super().__init__(
            items, batches=math.ceil(self.per_epoch / size), padding=padding, seed=seed,
            rank=rank, world=world,
        )  # fmt: skip

    @property
    def examples_per_epoch(self) -> int:
        return self.per_epoch

    @property
    def mean_labelled(self) -> float:
        labelled = sum(count for label, count in self.counts.items() if label >= 0)
        return labelled / sum(self.counts.values()) * self.per_epoch / max(1, self.batches)

    def draw_order(self, generator: torch.Generator) -> list[int]:
        first = self.epoch * self.per_epoch
        last = first + self.per_epoch
        whole = sum(self.counts.values())
        order: list[int] = []
        for number in range(first // whole, (last - 1) // whole + 1):
            shuffled = self.draw_pass(number)
            order += shuffled[max(0, first - number * whole) : last - number * whole]
        return order

    def draw_pass(self, number: int) -> list[int]:
        """Draw one pass: all examples, with repeats, shuffled."""
        generator = torch.Generator().manual_seed(self.seed * 100_003 + number)
        pool = _upsample(self.labels, self.counts, generator)
        return [pool[i] for i in torch.randperm(len(pool), generator=generator).tolist()]


def upsampled_counts(labels: Sequence[int], share: float) -> dict[int, int]:
    """Return the number of examples of each label in one pass.

    [decided] Each class gets at least ``share`` of the largest; examples without a label occur
    once.
    """
    counts = Counter(labels)
    target = round(share * max((n for label, n in counts.items() if label >= 0), default=0))
    return {label: max(target, n) if label >= 0 else n for label, n in counts.items()}


def _upsample(
    labels: Sequence[int], counts: dict[int, int], generator: torch.Generator
) -> list[int]:
    """Return indices of all examples, repeated to ``counts``; partial repeats are random."""
    positions: dict[int, list[int]] = {}
    for position, label in enumerate(labels):
        positions.setdefault(label, []).append(position)
    pool: list[int] = []
    for label, group in positions.items():
        times, rest = divmod(counts[label], len(group))
        drawn = torch.randperm(len(group), generator=generator)[:rest].tolist() if rest else []
        pool += group * times + [group[i] for i in drawn]
    return pool
