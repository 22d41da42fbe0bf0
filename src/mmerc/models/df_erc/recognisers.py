"""Voices and faces by themselves (ours, not DF-ERC's): what they show, without words or context.

In a corpus whose labels are what is meant, voices and faces often show something else. A fusion
trained on such labels learns little of voices and faces that holds for other people, and where
words are missing it mostly repeats how frequent the emotions were. Here each of the two has a small
classifier that learns what the modality itself shows (``modality_labels``), every emotion counting
the same. DF-ERC then reads what these say instead of the vectors.
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
    """A classifier for each modality but text, without context.

    Each reads the standardised vectors, learns with classes weighted by the inverse of their
    frequency, and so names an emotion as if all were equally frequent. What two modalities say is
    combined as if they were independent: their log probabilities are added.
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
        """Weigh classes by the inverse of their frequency, 1 on average.

        ``label_counts`` are those of the utterances' labels, also for modalities with labels of
        their own. Shape: [K].
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
        """Sum of the cross-entropies; a modality without a label of its own has the utterance's.

        Shape: logits[m] [B, N, K], present[m] [B, N] bool, the labels [B, N] -> scalar.
        """
        losses = [labels.new_zeros((), dtype=torch.float32)]
        for modality, scores in logits.items():
            own = modality_labels.get(modality, labels)
            target = torch.where(own >= 0, own, labels)
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
    """Return the fused logits, and where words are absent those of voice and face by themselves.

    Utterances without voice and face keep the fused ones, which come from the context.

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
