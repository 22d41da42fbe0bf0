"""Collate examples into batches, in a sampler's order."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader, Sampler

from mmerc.conversation import Modality
from mmerc.data.batch import ConversationBatch
from mmerc.data.examples import Example
from mmerc.data.history import UtteranceTokenizer
from mmerc.data.sampling import DEFAULT_PADDING, BatchItem, SortedSampler, TrainingSampler
from mmerc.data.text_windows import Tokenizer, build_windows
from mmerc.data.utterance_batches import stack_tokens, stack_waveforms
from mmerc.labels import UNKNOWN_LABEL
from mmerc.processes import available_cores

AnyTokenizer = Tokenizer | UtteranceTokenizer
_MOST_WORKERS = 4
_COLUMNS = 128  # columns per step of the statistics, so that float64 copies fit into memory


@dataclass(frozen=True, slots=True)
class _Collate:
    """Pads examples into a batch and decodes their sound."""

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
            modality_labels={
                m: _pad([example.modality_labels[m] for example in examples], UNKNOWN_LABEL)
                for m in first.modality_labels
            },
            soft_labels=_pad_soft_labels(examples),
            windows=windows,
            tokens=tokens,
            waveforms=waveforms,
        )


def _pad_soft_labels(examples: Sequence[Example]) -> torch.Tensor | None:
    """Stack soft labels, zeros where there are none; None if there are none at all."""
    known = [e.soft_labels for e in examples if e.soft_labels is not None]
    if not known:
        return None
    classes = known[0].shape[-1]
    return _pad(
        [torch.zeros(len(e), classes) if e.soft_labels is None else e.soft_labels for e in examples]
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
    padding: float = DEFAULT_PADDING,
) -> DataLoader[ConversationBatch]:
    """Load batches of ``size`` examples, sorted by length.

    ``shuffle``: training batches instead, the same number, balanced by utterances, and as random
    as the share of ``padding`` allows.
    """
    if shuffle:
        items, count = [BatchItem.of(e) for e in examples], math.ceil(len(examples) / size)
        sampler = TrainingSampler(items, batches=count, padding=padding, seed=seed)
        return sampled_loader(examples, tokenizer, sampler)
    keys = [example.cost for example in examples]
    return sampled_loader(examples, tokenizer, SortedSampler(keys, size=size))


def sampled_loader(
    examples: Sequence[Example], tokenizer: AnyTokenizer | None, sampler: Sampler[list[int]]
) -> DataLoader[ConversationBatch]:
    """Load batches in a sampler's order.

    Worker processes decode sound during training; everything else is in memory, where one process
    is fastest.
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
    """Compute mean and standard deviation of each modality's present vectors.

    Shape: {modality: ([D], [D])}; a modality that is never present has mean 0, deviation 1.
    """
    statistics: dict[Modality, tuple[torch.Tensor, torch.Tensor]] = {}
    for modality in examples[0].features:
        rows = [e.features[modality][e.present[modality]] for e in examples]
        width = examples[0].features[modality].shape[1]
        columns = [slice(i, i + _COLUMNS) for i in range(0, width, _COLUMNS)]
        parts = [_mean_and_deviation(torch.cat([r[:, part] for r in rows])) for part in columns]
        mean, deviation = map(torch.cat, zip(*parts, strict=True))
        statistics[modality] = (mean, deviation)
    return statistics


def _mean_and_deviation(vectors: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Compute mean and deviation per column. Shape: [M, D] -> [D], [D]."""
    if len(vectors) == 0:
        return vectors.new_zeros(vectors.shape[1]), vectors.new_ones(vectors.shape[1])
    vectors = vectors.double()
    mean, deviation = vectors.mean(0), vectors.std(0, unbiased=False)
    constant = deviation < 1e-8 * (1 + mean.abs())
    return mean.float(), deviation.masked_fill(constant, 1.0).float()
