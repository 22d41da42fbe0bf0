"""Predict a batch: the weighted mean of the predictions from different sets of modalities."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor

from mmerc.conversation import Modality
from mmerc.data.batch import ConversationBatch, ModalitySet, ModalityWeights
from mmerc.labels import UNKNOWN_LABEL
from mmerc.models.base import AnyModel, Explanation, ModelOutput

_SMALLEST = 1e-30
_MOST_TOGETHER = 4096  # utterances predicted together, so that memory stays small


@dataclass(frozen=True, slots=True, kw_only=True)
class AveragedOutput:
    """A weighted mean of predictions from several sets of modalities.

    Shape: logits and probabilities [B, N, K]; ``used[m]`` [B, N] bool, the present modalities of
    the set with the largest weight.
    """

    logits: Tensor
    probabilities: Tensor
    explanation: Explanation
    used: Mapping[Modality, Tensor]


@dataclass(frozen=True, slots=True, kw_only=True)
class SetPredictions:
    """A model's predictions from S sets of modalities, each calibrated for its set.

    Shape: logits and probabilities (before an adaptation) [S, B, N, K]; the values of the
    explanation [S, B, N, ...]; ``used[m]`` [S, B, N] bool.
    """

    model: AnyModel
    sets: tuple[ModalitySet, ...]
    logits: Tensor
    probabilities: Tensor
    explanation: Explanation
    used: Mapping[Modality, Tensor]

    def average(self, weights: ModalityWeights) -> AveragedOutput:
        """Return the weighted mean. Weights need not add up to 1. Shape: weights[set] [B, N]."""
        rows, shares = self._shares(weights)
        best = shares.argmax(0, keepdim=True)
        return AveragedOutput(
            logits=_weighted_mean(self.logits[rows], shares),
            probabilities=self.average_probabilities(weights),
            explanation=_combine_values(
                [self.explanation], lambda values: _weighted_mean(values[0][rows], shares)
            ),
            used={m: used[rows].gather(0, best)[0] for m, used in self.used.items()},
        )

    def average_probabilities(self, weights: ModalityWeights) -> Tensor:
        """Return the weighted mean of the probabilities, adapted. Shape: -> [B, N, K]."""
        rows, shares = self._shares(weights)
        mean = _weighted_mean(self.probabilities[rows], shares)
        return self.model.adapt(mean.clamp(min=_SMALLEST).log()).softmax(-1)

    def _shares(self, weights: ModalityWeights) -> tuple[list[int], Tensor]:
        """Return the rows of the weighted sets, and weights that add up to 1."""
        stacked = torch.stack(list(weights.values()))
        shares = stacked / stacked.sum(0).clamp(min=_SMALLEST)
        return [self.sets.index(modalities) for modalities in weights], shares


def predict_sets(
    model: AnyModel, batch: ConversationBatch, sets: Iterable[ModalitySet]
) -> SetPredictions:
    """Predict a batch from each set of modalities; labels are ignored."""
    # The losses are not needed, and the labels may differ from the training labels.
    unlabelled = replace(batch, labels=torch.full_like(batch.labels, UNKNOWN_LABEL))
    names = tuple(sets)
    parts = [_restrict(unlabelled, modalities) for modalities in names]
    encoded = batch.windows is None and batch.tokens is None and batch.waveforms is None
    if encoded and batch.mask.numel() * len(parts) <= _MOST_TOGETHER:
        parts = [_concatenate(parts)]
    outputs: list[ModelOutput] = [model(part) for part in parts]
    used = [model.find_used(part) for part in parts]
    scaled = [model.scale(o.logits, u) for o, u in zip(outputs, used, strict=True)]

    def by_set(values: Sequence[Tensor]) -> Tensor:
        joined = torch.cat(list(values))
        return joined.reshape(len(names), -1, *joined.shape[1:])

    return SetPredictions(
        model=model,
        sets=names,
        logits=by_set([output.logits for output in outputs]),
        probabilities=by_set(scaled).softmax(-1),
        explanation=_combine_values([output.explanation for output in outputs], by_set),
        used={m: by_set([u[m] for u in used]) for m in used[0]},
    )


def predict_probabilities(model: AnyModel, batch: ConversationBatch) -> Tensor:
    """Predict a batch whose text is encoded, with all steps. Shape: -> [B, N, K]."""
    model, batch = model.level_conversations(batch)
    weights = model.weigh_modalities(batch)
    return predict_sets(model, batch, weights).average_probabilities(weights)


def share_of(modality: Modality, batch: ConversationBatch, weights: ModalityWeights) -> Tensor:
    """Return the weight of the sets with a modality; 0 where it is absent. Shape: -> [B, N]."""
    shares = [weight for modalities, weight in weights.items() if modality in modalities]
    present = batch.present[modality] & batch.mask
    return torch.stack([*shares, torch.zeros_like(present, dtype=torch.float)]).sum(0) * present


def without_modality(
    modality: Modality, batch: ConversationBatch, weights: ModalityWeights
) -> ModalityWeights:
    """Remove a modality from every set; where nothing remains, the weight is 0."""
    reduced: dict[ModalitySet, Tensor] = {}
    for modalities, weight in weights.items():
        rest = tuple(m for m in modalities if m != modality)
        if rest:
            remains = torch.stack([batch.present[m] & batch.mask for m in rest]).any(0)
            reduced[rest] = reduced.get(rest, torch.zeros_like(weight)) + weight * remains
    return reduced


def _restrict(batch: ConversationBatch, modalities: Sequence[Modality]) -> ConversationBatch:
    """Return the batch with only these modalities present."""
    return batch.with_present(
        {m: at if m in modalities else torch.zeros_like(at) for m, at in batch.present.items()}
    )


def _concatenate(batches: Sequence[ConversationBatch]) -> ConversationBatch:
    """Join batches of the same conversations, without labels, along the first axis."""
    first, count = batches[0], len(batches)
    if count == 1:
        return first
    return replace(
        first,
        features={m: torch.cat([vectors] * count) for m, vectors in first.features.items()},
        present={m: torch.cat([part.present[m] for part in batches]) for m in first.present},
        mask=torch.cat([first.mask] * count),
        speakers=torch.cat([first.speakers] * count),
        labels=torch.cat([first.labels] * count),
        indices=torch.cat([first.indices] * count),
        modality_labels={},
        soft_labels=None,
    )


def _weighted_mean(values: Tensor, shares: Tensor) -> Tensor:
    """Return the weighted mean over S sets. Shape: values [S, B, N, ...], shares [S, B, N]."""
    aligned = shares.view(*shares.shape, *[1] * (values.dim() - shares.dim()))
    return (aligned * values.masked_fill(aligned == 0, 0.0)).sum(0)


def _combine_values(
    explanations: Sequence[Explanation], combine: Callable[[Sequence[Tensor]], Tensor]
) -> Explanation:
    """Combine each value of several explanations; missing values stay None."""

    def combine_values(values: Sequence[Any]) -> Any:
        if values[0] is None:
            return None
        if isinstance(values[0], Mapping):
            return {name: combine_values([value[name] for value in values]) for name in values[0]}
        return combine(values)

    names = [item.name for item in fields(Explanation)]
    return Explanation(
        **{name: combine_values([getattr(e, name) for e in explanations]) for name in names}
    )
