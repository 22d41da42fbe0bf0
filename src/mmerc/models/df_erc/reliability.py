"""A fusion of our own: how far to trust each modality, judged by the whole conversation.

DF-ERC estimates from a modality's own vector how likely it is right (Eq. 12). A face that belongs
to somebody else, or a voice over a bad line, looks as sure of itself as any other; what gives it
away is that it keeps disagreeing with the other modalities. The gate weighs both.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from mmerc.conversation import Modality

_EVIDENCE = 7  # numbers per modality and utterance that the gate reads
_PRIOR = 5.0  # utterances: weight of "no evidence" beside a conversation's own
_SMOOTHING = 0.05  # share of the classes' frequencies in every classifier's probabilities
_SCALE = 5.0  # of a sum of log ratios


class ReliabilityGate(nn.Module):
    """Weights that add up to 1 over the modalities that an utterance has.

    Two modalities' agreement is the logarithm of sum_k p(k) q(k) / frequency(k): how much more
    likely both vectors are if they show the same emotion than if they have nothing to do with each
    other, given that each classifier is right about its own. Per modality, the gate reads the
    student's estimate (Eq. 12), the classifier's certainty, and its agreement with the others, mean
    and best: in the utterance, on average over the conversation, and in sum.

    ``causal``: over the past and the utterance itself alone.
    """

    frequencies: Tensor

    def __init__(
        self, modalities: tuple[Modality, ...], *, classes: int, hidden: int, causal: bool
    ) -> None:
        super().__init__()
        self.causal = causal
        self.modalities = modalities
        self.register_buffer("frequencies", torch.full((classes,), 1 / classes))
        self.scores = nn.ModuleDict(
            {
                m: nn.Sequential(nn.Linear(_EVIDENCE, hidden), nn.GELU(), nn.Linear(hidden, 1))
                for m in modalities
            }
        )

    def fit(self, label_counts: Tensor) -> None:
        """Store the classes' frequencies in the training split. Shape: label_counts [K]."""
        self.frequencies = (label_counts.float() + 1) / (label_counts.sum() + len(label_counts))

    def forward(
        self,
        logits: Mapping[Modality, Tensor],
        estimates: Mapping[Modality, Tensor],
        present: Mapping[Modality, Tensor],
    ) -> dict[Modality, Tensor]:
        """Return each modality's weight, 0 where absent.

        Shape: logits[m] [B, N, K], estimates[m] and present[m] [B, N] -> {m: [B, N]}.
        """
        chances = {m: self.smooth(logits[m].detach().float().softmax(-1)) for m in self.modalities}
        scores = []
        for m in self.modalities:
            own = chances[m]
            certainty = (own * own.log()).sum(-1)
            evidence = self.agreement(m, chances, present)
            columns = torch.stack([estimates[m].detach().float(), certainty, *evidence], -1)
            scores.append(self.scores[m](columns).squeeze(-1).float())
        occupied = torch.stack([present[m] for m in self.modalities])
        masked = torch.stack(scores).masked_fill(~occupied, torch.finfo(torch.float32).min)
        weights = masked.softmax(0) * occupied
        return dict(zip(self.modalities, weights, strict=True))

    def smooth(self, chances: Tensor) -> Tensor:
        """Mix in the classes' frequencies, so that no classifier rules anything out."""
        return (1 - _SMOOTHING) * chances + _SMOOTHING * self.frequencies

    def agreement(
        self,
        modality: Modality,
        chances: Mapping[Modality, Tensor],
        present: Mapping[Modality, Tensor],
    ) -> tuple[Tensor, ...]:
        """Return the agreement of a modality with the others: five times [B, N], 0 for none."""
        nothing = torch.zeros_like(present[modality], dtype=torch.float32)
        ratios, averages, sums = [], [], []
        for other in self.modalities:
            if other == modality:
                continue
            both = (present[modality] & present[other]).float()
            joint = (chances[modality] * chances[other] / self.frequencies).sum(-1)
            ratio = joint.log() * both
            total = self.total(ratio)
            ratios.append(ratio)
            averages.append(total / (self.total(both) + _PRIOR))
            sums.append((total / _SCALE).tanh())
        if not ratios:
            return (nothing,) * 5
        average, summed = torch.stack(averages), torch.stack(sums)
        return (
            torch.stack(ratios).mean(0),
            average.mean(0),
            average.amax(0),
            summed.mean(0),
            summed.amax(0),
        )

    def total(self, values: Tensor) -> Tensor:
        """Sum over the conversation, or over its past. Shape: [B, N] -> [B, N]."""
        if self.causal:
            return values.cumsum(1)
        return values.sum(1, keepdim=True).expand_as(values)
