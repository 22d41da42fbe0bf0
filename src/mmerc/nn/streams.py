"""A modality's hidden states, layer by layer, with the places that may be read."""

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

    Shape: ``states``, one a layer, [U, L, D], zeros where absent; ``mask`` [U, L] bool, nowhere
    true for an utterance without this modality.
    """

    states: tuple[Tensor, ...]
    mask: Tensor

    @property
    def present(self) -> Tensor:
        """Shape: -> [U] bool."""
        return self.mask.any(-1)

    def last(self, layers: int) -> tuple[Tensor, ...]:
        """The states of the last layers; a vector, which has but one, at each of them."""
        return self.states[:1] * (layers - len(self.states)) + self.states[-layers:]


def read_tokens(
    encoder: TextEncoder, token_ids: Tensor, mask: Tensor, shown: Tensor, present: Tensor
) -> Stream:
    """The text stream, of which the tokens ``shown`` may be read by others than the encoder.

    Shape: token_ids, mask, shown [U, L], present [U].
    """
    if not bool(present.any()):
        depth = int(encoder.backbone.config.num_hidden_layers)
        return nothing(present, depth=depth, width=encoder.width)
    states = encoder.read_layers(token_ids[present], mask[present], every_layer=True)
    return placed(states, shown[present], present)


def read_sound(encoder: SpeechEncoder, samples: Tensor, lengths: Tensor, present: Tensor) -> Stream:
    """The audio stream. Shape: samples [U, T], lengths and present [U]."""
    if not bool(present.any()):
        return nothing(present, depth=encoder.depth, width=encoder.width)
    states, mask = encoder(samples[present], lengths[present])
    return placed(states, mask, present)


def nothing(present: Tensor, *, depth: int, width: int) -> Stream:
    """The stream of utterances of which none has the modality."""
    states = torch.zeros(len(present), 1, width, device=present.device)
    return Stream((states,) * depth, present.unsqueeze(1))


def placed(states: Sequence[Tensor], mask: Tensor, present: Tensor) -> Stream:
    """The states of those that are present, in their places among all.

    Shape: states [V, L, D], mask [V, L] of the V that are present [U].
    """
    if bool(present.all()):
        return Stream(tuple(states), mask)
    rows = present.nonzero().squeeze(-1)

    def among_all(tensor: Tensor) -> Tensor:
        return tensor.new_zeros(len(present), *tensor.shape[1:]).index_copy(0, rows, tensor)

    return Stream(tuple(map(among_all, states)), among_all(mask))


def masked_mean(states: Tensor, mask: Tensor) -> Tensor:
    """Mean over the places that may be read, 0 where there is none. Shape: -> [U, D]."""
    total = states.float().masked_fill(~mask.unsqueeze(-1), 0.0).sum(1)
    return total / mask.sum(1, keepdim=True).clamp(min=1)
