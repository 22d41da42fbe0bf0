"""A modality's hidden states, layer by layer, with a mask of readable positions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mmerc.nn.speech_encoder import SpeechEncoder
from mmerc.nn.text_encoder import TextEncoder


@dataclass(frozen=True, slots=True)
class Stream:
    """H of DQ-Former's Eq. 1 for U utterances.

    Shape: ``states``, one per layer, [U, L, D], zeros where absent; ``mask`` [U, L] bool, false
    throughout for an utterance without this modality.
    """

    states: tuple[Tensor, ...]
    mask: Tensor

    @property
    def present(self) -> Tensor:
        """Which utterances have the modality. Shape: -> [U] bool."""
        return self.mask.any(-1)

    def last(self, layers: int) -> tuple[Tensor, ...]:
        """Return the states of the last layers; a vector's only state is repeated."""
        return self.states[:1] * (layers - len(self.states)) + self.states[-layers:]


def encode_tokens(
    encoder: TextEncoder, token_ids: Tensor, mask: Tensor, visible: Tensor, present: Tensor
) -> Stream:
    """Encode the text stream; layers after the encoder read only ``visible`` tokens.

    Shape: token_ids, mask, visible [U, L], present [U].
    """
    if not bool(present.any()):
        depth = int(encoder.backbone.config.num_hidden_layers)
        return _empty_stream(present, depth=depth, width=encoder.width)
    states = encoder.read_layers(token_ids[present], mask[present], every_layer=True)
    return _place_states(states, visible[present], present)


def encode_sound(
    encoder: SpeechEncoder, samples: Tensor, lengths: Tensor, present: Tensor
) -> Stream:
    """Encode the audio stream. Shape: samples [U, T], lengths and present [U]."""
    if not bool(present.any()):
        return _empty_stream(present, depth=encoder.depth, width=encoder.width)
    states, mask = encoder(samples[present], lengths[present])
    return _place_states(states, mask, present)


def _empty_stream(present: Tensor, *, depth: int, width: int) -> Stream:
    """Return the stream for utterances that all lack the modality."""
    states = torch.zeros(len(present), 1, width, device=present.device)
    return Stream((states,) * depth, present.unsqueeze(1))


def _place_states(states: Sequence[Tensor], mask: Tensor, present: Tensor) -> Stream:
    """Scatter the states of the present utterances among all utterances.

    Shape: states [V, L, D] and mask [V, L] of the V utterances that are present [U].
    """
    if bool(present.all()):
        return Stream(tuple(states), mask)
    rows = present.nonzero().squeeze(-1)

    def expand(tensor: Tensor) -> Tensor:
        return tensor.new_zeros(len(present), *tensor.shape[1:]).index_copy(0, rows, tensor)

    return Stream(tuple(map(expand, states)), expand(mask))


def masked_mean(states: Tensor, mask: Tensor) -> Tensor:
    """Average over the readable positions; 0 if there are none.

    Shape: states [U, L, D], mask [U, L] bool -> [U, D].
    """
    total = states.float().masked_fill(~mask.unsqueeze(-1), 0.0).sum(1)
    return total / mask.sum(1, keepdim=True).clamp(min=1)
