"""Classifiers of voices and faces alone, without words or context (ours, not DF-ERC's).

In a corpus whose labels follow the meaning, voices and faces often show another emotion. Fusion
trained on such labels learns little about voices and faces that transfers to other people, and
without words it mostly repeats the class frequencies. Here a small classifier per modality learns
from that modality's own labels (``modality_labels``), with all emotions weighted equally. DF-ERC
then reads the classifiers' outputs instead of the vectors.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from mmerc.conversation import Modality
from mmerc.labels import UNKNOWN_LABEL
from mmerc.nn.classification import classification_loss
from mmerc.nn.mlp import mlp
from mmerc.nn.reduction import Reduction

_DROPOUT = 0.3


class ModalityRecognisers(nn.Module):
    """A classifier for each modality except text, without context.

    Each reads standardised vectors and learns with inverse-frequency class weights, so it predicts
    as if all emotions were equally frequent. Two modalities are combined as if they were
    independent: their log probabilities are added.
    """

    class_weights: Tensor

    def __init__(self, widths: Mapping[Modality, int], *, hidden: int, classes: int) -> None:
        super().__init__()
        self.classifiers = nn.ModuleDict(
            {
                m: mlp(width, classes, hidden=hidden, dropout=_DROPOUT)
                for m, width in widths.items()
                if m != "text"
            }
        )
        self.register_buffer("class_weights", torch.ones(classes))

    def fit(self, label_counts: Tensor) -> None:
        """Set inverse-frequency class weights, 1 on average.

        ``label_counts`` count the utterances' labels, even for modalities with their own labels.
        Shape: [K].
        """
        frequencies = (label_counts + 1) / (label_counts.sum() + len(label_counts))
        self.class_weights = (1 / (len(label_counts) * frequencies)).float()

    def forward(self, vectors: Mapping[Modality, Tensor]) -> dict[Modality, Tensor]:
        """Return the logits of each modality by itself. Shape: [B, N, D_m] -> [B, N, K] each."""
        return {
            m: self.classifiers[m](vector).float()
            for m, vector in vectors.items()
            if m in self.classifiers
        }

    def loss(
        self,
        logits: Mapping[Modality, Tensor],
        present: Mapping[Modality, Tensor],
        modality_labels: Mapping[Modality, Tensor],
        labels: Tensor,
        *,
        reduction: Reduction,
    ) -> Tensor:
        """Sum the cross-entropies; a modality without its own label uses the utterance's.

        Shape: logits[m] [B, N, K], present[m] [B, N] bool, the labels [B, N] -> scalar.
        """
        losses = [labels.new_zeros((), dtype=torch.float32)]
        for modality, scores in logits.items():
            modality_target = modality_labels.get(modality, labels)
            target = torch.where(modality_target >= 0, modality_target, labels)
            losses.append(
                classification_loss(
                    scores,
                    target.where(present[modality], UNKNOWN_LABEL),
                    reduction=reduction,
                    class_weights=self.class_weights,
                )
            )
        return torch.stack(losses).sum()


def replace_without_words(
    fused: Tensor, alone: Mapping[Modality, Tensor], present: Mapping[Modality, Tensor]
) -> Tensor:
    """Return the fused logits; without words, those of voice and face alone.

    Utterances without voice and face keep the fused logits, which come from the context.

    Shape: fused and alone[m] [B, N, K], present[m] [B, N] bool -> [B, N, K].
    """
    heard = [m for m in alone if m in present]
    if not heard or "text" not in present:
        return fused
    evidence = torch.stack(
        [functional.log_softmax(alone[m], -1) * present[m].unsqueeze(-1) for m in heard]
    ).sum(0)
    without_words = torch.stack([present[m] for m in heard]).any(0) & ~present["text"]
    return torch.where(without_words.unsqueeze(-1), evidence, fused)
