"""Length-bucketed batches, in an order that seed and epoch determine."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader, Sampler

from mmerc.conversation import Modality
from mmerc.data.batch import ConversationBatch
from mmerc.data.examples import Example
from mmerc.data.history import UtteranceTokenizer
from mmerc.data.text_windows import Tokenizer, build_windows
from mmerc.data.utterance_batches import stack_tokens, stack_waveforms
from mmerc.labels import UNKNOWN_LABEL
from mmerc.processes import available_cores

AnyTokenizer = Tokenizer | UtteranceTokenizer
_MOST_WORKERS = 4


class LengthBucketSampler(Sampler[list[int]]):
    """Batches of conversations of similar length.

    Training: the conversations are shuffled, sorted by length within chunks of ``chunk`` batches,
    and the batches shuffled again; ``set_epoch`` changes the order, which depends on seed and epoch
    alone. Evaluation (``shuffle=False``): sorted by length throughout. Each of ``world``
    processes takes every ``world``-th batch; the first batches are repeated to fill the last round.
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
        total = len(self) * self.world
        yield from (batches * self.world)[self.rank : total : self.world]

    def by_length(self) -> list[int]:
        return sorted(range(len(self.costs)), key=self.costs.__getitem__)

    def shuffled(self) -> list[list[int]]:
        """Batches of one epoch's order."""
        generator = torch.Generator().manual_seed(self.seed * 100_003 + self.epoch)
        order = self.order(generator)
        batches = [
            batch
            for bucket in self.cut(order, self.size * self.chunk)
            for batch in self.cut(sorted(bucket, key=self.costs.__getitem__), self.size)
        ]
        return [batches[i] for i in torch.randperm(len(batches), generator=generator).tolist()]

    def order(self, generator: torch.Generator) -> list[int]:
        """The items of an epoch in random order."""
        drawn: list[int] = torch.randperm(len(self.costs), generator=generator).tolist()
        return drawn

    @staticmethod
    def cut(order: Sequence[int], size: int) -> list[list[int]]:
        return [list(order[start : start + size]) for start in range(0, len(order), size)]


class BalancedSampler(LengthBucketSampler):
    """Training batches with rare classes up-sampled, in epochs of any length (DQ-Former, Sec. 4.2).

    Every class gets at least ``upsampling`` times the items of the largest; 0 changes nothing.
    Epochs of ``per_epoch`` items go through the shuffled whole, which is shuffled again at its end;
    None: an epoch is the whole.
    """

    def __init__(
        self,
        costs: Sequence[int],
        labels: Sequence[int],
        *,
        size: int,
        seed: int,
        upsampling: float,
        per_epoch: int | None,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        super().__init__(costs, size=size, seed=seed, shuffle=True, rank=rank, world=world)
        self.pool = _upsample(labels, upsampling)
        self.per_epoch = len(self.pool) if per_epoch is None else per_epoch

    def __len__(self) -> int:
        return math.ceil(math.ceil(self.per_epoch / self.size) / self.world)

    def order(self, generator: torch.Generator) -> list[int]:
        first = self.epoch * self.per_epoch
        last = first + self.per_epoch
        whole = len(self.pool)
        drawn: list[int] = []
        for turn in range(first // whole, (last - 1) // whole + 1):
            shuffled = self.turn(turn)
            drawn += shuffled[max(0, first - turn * whole) : last - turn * whole]
        return drawn

    def turn(self, number: int) -> list[int]:
        """The whole in the shuffle of that number."""
        generator = torch.Generator().manual_seed(self.seed * 100_003 + number)
        order = torch.randperm(len(self.pool), generator=generator).tolist()
        return [self.pool[position] for position in order]


def _upsample(labels: Sequence[int], share: float) -> list[int]:
    """Positions of all items, those of rare classes repeated until each class has enough.

    [decided] Enough is ``share`` of the largest class; items without a label occur once.
    """
    positions: dict[int, list[int]] = {}
    for position, label in enumerate(labels):
        positions.setdefault(label, []).append(position)
    target = round(share * max(len(group) for name, group in positions.items() if name >= 0))
    pool: list[int] = []
    for label, group in positions.items():
        times = max(1, -(-target // len(group))) if label >= 0 else 1
        pool += (group * times)[: max(target, len(group))]
    return pool


@dataclass(frozen=True, slots=True)
class _Collate:
    """Pads examples into a batch, and decodes their sound."""

    tokenizer: AnyTokenizer | None

    def __call__(self, examples: Sequence[Example]) -> ConversationBatch:
        lengths = torch.tensor([len(example) for example in examples])
        padded = int(lengths.max())
        first = examples[0]
        windows = tokens = waveforms = None
        if isinstance(self.tokenizer, UtteranceTokenizer):
            tokens = stack_tokens(examples, padded=padded, tokenizer=self.tokenizer)
        elif self.tokenizer is not None:
            ids = [example.token_ids or [] for example in examples]
            windows = build_windows(ids, self.tokenizer, padded)
        present = {m: _pad([e.present[m] for e in examples]) for m in first.present}
        if first.sounds is not None:
            waveforms = stack_waveforms(examples, padded=padded)
            present["audio"] = waveforms.lengths > 0
        return ConversationBatch(
            features={m: _pad([e.features[m] for e in examples]) for m in first.features},
            present=present,
            mask=torch.arange(padded) < lengths[:, None],
            speakers=_pad([example.speakers for example in examples]),
            labels=_pad([example.labels for example in examples], UNKNOWN_LABEL),
            indices=torch.tensor([example.index for example in examples]),
            windows=windows,
            tokens=tokens,
            waveforms=waveforms,
        )


def _pad(tensors: list[torch.Tensor], value: float = 0) -> torch.Tensor:
    """Stack tensors of different lengths, padded with ``value``."""
    return pad_sequence(tensors, batch_first=True, padding_value=value)


def batch_loader(
    examples: Sequence[Example],
    *,
    tokenizer: AnyTokenizer | None,
    size: int,
    seed: int = 0,
    shuffle: bool,
    rank: int = 0,
    world: int = 1,
) -> DataLoader[ConversationBatch]:
    """Batches of ``size`` examples."""
    sampler = LengthBucketSampler(
        [example.cost for example in examples],
        size=size,
        seed=seed,
        shuffle=shuffle,
        rank=rank,
        world=world,
    )
    return sampled_loader(examples, tokenizer, sampler)


def sampled_loader(
    examples: Sequence[Example], tokenizer: AnyTokenizer | None, sampler: LengthBucketSampler
) -> DataLoader[ConversationBatch]:
    """Batches in a sampler's order.

    Sound is decoded by worker processes during training; everything else is in memory, where one
    process is fastest.
    """
    heard = bool(examples) and examples[0].sounds is not None
    workers = min(_MOST_WORKERS, available_cores() // 2) if heard else 0
    if workers == 0:
        return DataLoader(examples, batch_sampler=sampler, collate_fn=_Collate(tokenizer))  # type: ignore[arg-type]
    return _LazyLoader(
        examples,  # type: ignore[arg-type]
        batch_sampler=sampler,
        collate_fn=_Collate(tokenizer),
        num_workers=workers,
        persistent_workers=True,
    )


class _LazyLoader(DataLoader[ConversationBatch]):
    """Starts its workers at the first batch.

    Lightning creates an iterator before it sets the epoch of a resumed run.
    """

    def __iter__(self) -> Any:
        yield from super().__iter__()


def feature_statistics(
    examples: Sequence[Example],
) -> dict[Modality, tuple[torch.Tensor, torch.Tensor]]:
    """Mean and standard deviation of each modality's vectors, without absent ones.

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
