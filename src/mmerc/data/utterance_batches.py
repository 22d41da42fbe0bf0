"""Batches of utterances: tokens, waveforms, and examples of one utterance each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from mmerc.conversation import Conversation
from mmerc.data.batch import Tokens, Waveforms
from mmerc.data.examples import Example
from mmerc.data.history import UtteranceTokenizer
from mmerc.data.sounds import SHORTEST, Sounds, clip_lengths, read_samples
from mmerc.nn.padding import round_up

# Batches are padded to multiples of these, because a CPU recompiles its bfloat16 matrix kernels for
# every new shape, which costs as much as the layer itself.
TOKEN_STEP = 8
SAMPLE_STEP = 2560  # eight positions of an encoder, 0.16 s


def with_sounds(
    examples: Sequence[Example], conversations: Sequence[Conversation], sounds: Sounds
) -> list[Example]:
    """Add the utterances' sound clips to the examples; they are checked when decoded."""
    clips = [
        tuple(sounds.get((conversation.id, item.id)) for item in conversation.utterances)
        for conversation in conversations
    ]
    lengths = iter(clip_lengths([clip for group in clips for clip in group]))
    grown = []
    for example, group in zip(examples, clips, strict=True):
        seconds = tuple(next(lengths) for _ in group)
        present = {**example.present, "audio": torch.tensor([s >= SHORTEST for s in seconds])}
        grown.append(replace(example, sounds=group, seconds=seconds, present=present))
    return grown


def split_utterances(examples: Sequence[Example]) -> list[Example]:
    """Split into single-utterance examples, renumbered, in the same order."""
    apart = [
        Example(
            index=0,
            features={m: vectors[i : i + 1] for m, vectors in example.features.items()},
            present={m: mask[i : i + 1] for m, mask in example.present.items()},
            speakers=torch.zeros(1, dtype=torch.long),
            labels=example.labels[i : i + 1],
            token_ids=None if example.token_ids is None else [example.token_ids[i]],
            sounds=None if example.sounds is None else (example.sounds[i],),
            seconds=example.seconds[i : i + 1],
            soft_labels=None if example.soft_labels is None else example.soft_labels[i : i + 1],
        )
        for example in examples
        for i in range(len(example))
    ]
    return [replace(example, index=index) for index, example in enumerate(apart)]


def stack_tokens(
    examples: Sequence[Example], *, padded: int, tokenizer: UtteranceTokenizer
) -> Tokens:
    """Stack the tokens of all utterances. Shape: see :class:`mmerc.data.batch.Tokens`."""
    rows = [example.token_ids or [] for example in examples]
    longest = round_up(max(len(ids) for row in rows for ids in row), TOKEN_STEP)
    token_ids = torch.full((len(rows), padded, longest), tokenizer.pad_id)
    attention_mask = torch.zeros(len(rows), padded, longest, dtype=torch.bool)
    targets = torch.zeros_like(attention_mask)
    for b, row in enumerate(rows):
        for i, ids in enumerate(row):
            token_ids[b, i, : len(ids)] = torch.tensor(ids, dtype=torch.long)
            attention_mask[b, i, : len(ids)] = True
            targets[b, i, tokenizer.target_begins(ids) : len(ids)] = True
    return Tokens(token_ids=token_ids, attention_mask=attention_mask, targets=targets)


def stack_waveforms(examples: Sequence[Example], *, padded: int) -> Waveforms:
    """Decode the sound of every utterance. Shape: see :class:`mmerc.data.batch.Waveforms`."""
    decoded: dict[tuple[int, int], Tensor] = {}
    for b, example in enumerate(examples):
        for i, clip in enumerate(example.sounds or ()):
            samples = read_samples(clip)
            if samples is not None:
                decoded[b, i] = samples
    longest = round_up(max(map(len, decoded.values()), default=0), SAMPLE_STEP)
    samples = torch.zeros(len(examples), padded, longest)
    lengths = torch.zeros(len(examples), padded, dtype=torch.long)
    for (b, i), heard in decoded.items():
        samples[b, i, : len(heard)] = heard
        lengths[b, i] = len(heard)
    return Waveforms(samples=samples, lengths=lengths)
