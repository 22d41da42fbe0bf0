"""The batch that every model reads."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import TypeVar

from torch import Tensor

from mmerc.conversation import Modality

ModalitySet = tuple[Modality, ...]
ModalityWeights = Mapping[ModalitySet, Tensor]


@dataclass(frozen=True, slots=True, kw_only=True)
class TextWindows:
    """Tokenised conversations, split into windows that fit a language model.

    Shape: ``token_ids``, ``attention_mask`` (bool) and ``pool_into`` [W, L]. ``pool_into`` has,
    for each token, the flat index b * N + n of its utterance for pooling, or B * N for tokens that
    are not pooled (special tokens, context pooled in another window, padding).
    """

    token_ids: Tensor
    attention_mask: Tensor
    pool_into: Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """Every utterance as a separate token sequence, for models that train a text encoder.

    Shape: ``token_ids``, ``attention_mask`` (bool, all false without text) and
    ``targets`` (bool, the utterance's own tokens, without its history) [B, N, L].
    """

    token_ids: Tensor
    attention_mask: Tensor
    targets: Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Waveforms:
    """Every utterance's sound at 16 kHz, for models that train a speech encoder.

    Shape: ``samples`` [B, N, T] float32, ``lengths`` [B, N] int: number of real samples, 0 without
    sound.
    """

    samples: Tensor
    lengths: Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationBatch:
    """B conversations, padded to N utterances.

    Shape: ``features[m]`` [B, N, D_m] with zeros where absent; ``present[m]`` [B, N] bool;
    ``mask`` [B, N] bool, true for real utterances; ``speakers`` [B, N] int, numbered from 0 within
    a conversation; ``labels`` [B, N] int, -100 if unknown; ``modality_labels[m]`` likewise, the
    emotion shown by a modality alone; ``soft_labels`` [B, N, K], probabilities, zeros if unknown;
    ``indices`` [B], the positions of the conversations in their split.
    """

    features: Mapping[Modality, Tensor]
    present: Mapping[Modality, Tensor]
    mask: Tensor
    speakers: Tensor
    labels: Tensor
    indices: Tensor
    modality_labels: Mapping[Modality, Tensor] = field(default_factory=dict)
    soft_labels: Tensor | None = None
    windows: TextWindows | None = None
    tokens: Tokens | None = None
    waveforms: Waveforms | None = None

    def __len__(self) -> int:
        return len(self.mask)

    def to(self, device: object, *, non_blocking: bool = False) -> ConversationBatch:
        """Copy the batch to another device."""
        return self._map(lambda tensor: tensor.to(device, non_blocking=non_blocking))  # type: ignore[call-overload]

    def pin_memory(self) -> ConversationBatch:
        """Copy the batch to page-locked memory."""
        return self._map(lambda tensor: tensor.pin_memory())

    def with_present(self, present: Mapping[Modality, Tensor]) -> ConversationBatch:
        """Return the batch with another presence mask."""
        return replace(self, present=present)

    def with_features(self, features: Mapping[Modality, Tensor]) -> ConversationBatch:
        """Return the batch with other vectors."""
        return replace(self, features=features)

    def _map(self, function: Callable[[Tensor], Tensor]) -> ConversationBatch:
        return replace(
            self,
            features={name: function(tensor) for name, tensor in self.features.items()},
            present={name: function(tensor) for name, tensor in self.present.items()},
            mask=function(self.mask),
            speakers=function(self.speakers),
            labels=function(self.labels),
            indices=function(self.indices),
            modality_labels={m: function(tensor) for m, tensor in self.modality_labels.items()},
            soft_labels=None if self.soft_labels is None else function(self.soft_labels),
            windows=map_tensors(self.windows, function),
            tokens=map_tensors(self.tokens, function),
            waveforms=map_tensors(self.waveforms, function),
        )


_Part = TypeVar("_Part", TextWindows, Tokens, Waveforms)


def map_tensors(part: _Part | None, function: Callable[[Tensor], Tensor]) -> _Part | None:
    """Apply ``function`` to every tensor of a part, if there is one."""
    if part is None:
        return None
    return replace(part, **{f.name: function(getattr(part, f.name)) for f in fields(part)})
