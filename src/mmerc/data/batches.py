"""Length-bucketed batches, in an order that seed and epoch determine."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader, Sampler

from mmerc.conversation import Modality
from mmerc.data.batch import ConversationBatch
from mmerc.data.examples import Example
from mmerc.data.text_windows import Tokenizer, build_windows
from mmerc.labels import UNKNOWN_LABEL


class LengthBucketSampler(Sampler[list[int]]):
    """Batches of conversations of like length.

    Training: the conversations are shuffled, sorted by length within chunks of ``chunk`` batches,
    and the batches shuffled again; ``set_epoch`` changes the order, which depends on seed and epoch
    alone. Evaluation (``shuffle=False``): sorted by length throughout. Of ``world`` processes each
    takes every ``world``-th batch; the first batches come again where they do not share out.
    """

    def __init__(
        self,
        costs: Sequence[int],
        *,
        size: int,
        seed: int = 0,
        shuffle: bool,
        chunk: int = 50,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        super().__init__()
        self.costs, self.size, self.seed = costs, size, seed
        self.shuffle, self.chunk, self.epoch = shuffle, chunk, 0
        self.rank, self.world = rank, world

    def __len__(self) -> int:
        return math.ceil(math.ceil(len(self.costs) / self.size) / self.world)

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __iter__(self) -> Iterator[list[int]]:
        batches = self.shuffled() if self.shuffle else self.cut(self.by_length(), self.size)
        shared_out = len(self) * self.world
        yield from (batches * self.world)[self.rank : shared_out : self.world]

    def by_length(self) -> list[int]:
        return sorted(range(len(self.costs)), key=self.costs.__getitem__)

    def shuffled(self) -> list[list[int]]:
        """Batches of one epoch's order."""
        generator = torch.Generator().manual_seed(self.seed * 100_003 + self.epoch)
        order = torch.randperm(len(self.costs), generator=generator).tolist()
        batches = [
            batch
            for bucket in self.cut(order, self.size * self.chunk)
            for batch in self.cut(sorted(bucket, key=self.costs.__getitem__), self.size)
        ]
        return [batches[i] for i in torch.randperm(len(batches), generator=generator).tolist()]

    @staticmethod
    def cut(order: Sequence[int], size: int) -> list[list[int]]:
        return [list(order[start : start + size]) for start in range(0, len(order), size)]


@dataclass(frozen=True, slots=True)
class Collate:
    """Pads examples into a batch."""

    tokenizer: Tokenizer | None

    def __call__(self, examples: Sequence[Example]) -> ConversationBatch:
        lengths = torch.tensor([len(example) for example in examples])
        padded = int(lengths.max())
        first = examples[0]
        windows = None
        if self.tokenizer is not None:
            tokens = [example.token_ids or [] for example in examples]
            windows = build_windows(tokens, self.tokenizer, padded)
        return ConversationBatch(
            features={m: pad([e.features[m] for e in examples]) for m in first.features},
            present={m: pad([e.present[m] for e in examples]) for m in first.present},
            mask=torch.arange(padded) < lengths[:, None],
            speakers=pad([example.speakers for example in examples]),
            labels=pad([example.labels for example in examples], UNKNOWN_LABEL),
            indices=torch.tensor([example.index for example in examples]),
            windows=windows,
        )


def pad(tensors: list[torch.Tensor], value: float = 0) -> torch.Tensor:
    """Stack tensors of different lengths, filled up with ``value``."""
    return pad_sequence(tensors, batch_first=True, padding_value=value)


def batch_loader(
    examples: Sequence[Example],
    *,
    tokenizer: Tokenizer | None,
    size: int,
    seed: int = 0,
    shuffle: bool,
    rank: int = 0,
    world: int = 1,
) -> DataLoader[ConversationBatch]:
    """Batches of ``size`` conversations; everything lies in memory, so no worker is needed."""
    sampler = LengthBucketSampler(
        [example.cost for example in examples],
        size=size,
        seed=seed,
        shuffle=shuffle,
        rank=rank,
        world=world,
    )
    return DataLoader(examples, batch_sampler=sampler, collate_fn=Collate(tokenizer))  # type: ignore[arg-type]


def feature_statistics(
    examples: Sequence[Example],
) -> dict[Modality, tuple[torch.Tensor, torch.Tensor]]:
    """Mean and standard deviation of each modality's vectors, absent ones left out.

    Shape: {modality: ([D], [D])}; a modality that is never present has mean 0, deviation 1.
    """
    statistics: dict[Modality, tuple[torch.Tensor, torch.Tensor]] = {}
    for modality in examples[0].features:
        vectors = torch.cat([e.features[modality][e.present[modality]] for e in examples]).double()
        if len(vectors) == 0:
            width = examples[0].features[modality].shape[1]
            statistics[modality] = (torch.zeros(width), torch.ones(width))
            continue
        deviation = vectors.std(0, unbiased=False)
        constant = deviation < 1e-8 * (1 + vectors.mean(0).abs())
        statistics[modality] = (
            vectors.mean(0).float(),
            deviation.masked_fill(constant, 1.0).float(),
        )
    return statistics
