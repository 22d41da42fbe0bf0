"""DDM, the dual-level disentanglement mechanism (DF-ERC, Eqs. 2-9)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from mmerc.conversation import Modality
from mmerc.models.df_erc.config import DfErcConfig
from mmerc.nn.contrastive import contrastive_loss
from mmerc.nn.mlp import ParallelMlps, mlp
from mmerc.nn.packing import Packing

_Level = Literal["modality", "utterance"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DisentanglementOutput:
    """Vectors with both levels appended, the levels, and the losses (Eqs. 3 and 5).

    Shape: vectors[m] [U, D_m + H per level]; levels [U, H]; losses scalar.
    """

    vectors: Mapping[Modality, Tensor]
    modality_level: Mapping[Modality, Tensor]
    utterance_level: Mapping[Modality, Tensor]
    modality_loss: Tensor
    utterance_loss: Tensor


class Disentanglement(nn.Module):
    """Two branches per modality: one separates modalities, one pulls utterances together."""

    def __init__(self, widths: Mapping[Modality, int], config: DfErcConfig) -> None:
        super().__init__()
        self.config = config
        self.modality_branch = self.branch(widths, trained=config.contrasts_modalities)
        self.utterance_branch = self.branch(widths, trained=config.contrasts_utterances)
        levels = bool(self.modality_branch) + bool(self.utterance_branch)
        added = levels * config.disentangled_width
        self.widths = {modality: width + added for modality, width in widths.items()}

    def branch(self, widths: Mapping[Modality, int], *, trained: bool) -> ParallelMlps:
        if self.config.drop_branch and not trained:
            return ParallelMlps()
        width, dropout = self.config.disentangled_width, self.config.dropout
        return ParallelMlps({m: mlp(widths[m], width, dropout=dropout) for m in widths})

    def forward(
        self,
        vectors: Mapping[Modality, Tensor],
        present: Mapping[Modality, Tensor],
        packing: Packing,
        *,
        with_losses: bool = True,
    ) -> DisentanglementOutput:
        """Disentangle every modality. Without losses, these are 0.

        The losses compare all pairs of a conversation's items: for two hours of speech, each takes
        half a gigabyte. Shape: vectors[m] [U, D_m], present[m] [U] bool.
        """
        modality_level = _run_branch(self.modality_branch, vectors)
        utterance_level = _run_branch(self.utterance_branch, vectors)
        levels = (vectors, modality_level, utterance_level)
        modality_loss = utterance_loss = next(iter(vectors.values())).new_zeros(())
        if with_losses:
            taking_part = self.arrange(present, packing)
            if self.config.contrasts_modalities:
                items = self.arrange(modality_level, packing)
                modality_loss = self.contrast(items, taking_part, "modality")
            if self.config.contrasts_utterances:
                items = self.arrange(utterance_level, packing)
                utterance_loss = self.contrast(items, taking_part, "utterance")
        return DisentanglementOutput(
            vectors={m: torch.cat([lv[m] for lv in levels if m in lv], -1) for m in vectors},
            modality_level=modality_level,
            utterance_level=utterance_level,
            modality_loss=modality_loss,
            utterance_loss=utterance_loss,
        )

    def arrange(self, values: Mapping[Modality, Tensor], packing: Packing) -> Tensor:
        """Arrange the items that are compared: of each conversation, or of the batch.

        Shape: values[m] [U, ...] -> [B, N, M, ...] or [1, U, M, ...].
        """
        items = torch.stack(list(values.values()), 1)
        return items[None] if self.config.scope == "batch" else packing.unpack(items)

    def contrast(self, items: Tensor, taking_part: Tensor, level: _Level) -> Tensor:
        """Compute Eq. 3 or 5 over R = [t1 a1 v1 t2 ...] of each conversation (or of the batch).

        [decided] With a single present modality, the modality level has no loss: all items are
        positives.

        Shape: items [B, N, M, H], taking_part [B, N, M] bool -> scalar.
        """
        _, utterances, modalities, _ = items.shape
        position = torch.arange(utterances * modalities, device=items.device)
        if level == "modality":
            group, temperature = position % modalities, self.config.modality_temperature
        else:
            group, temperature = position // modalities, self.config.utterance_temperature
        positives = (group[:, None] == group) & (position[:, None] != position)
        positives = positives.expand(len(items), -1, -1)
        if level == "modality":
            positives = positives & (taking_part.any(1).sum(-1) > 1)[:, None, None]
        return contrastive_loss(
            items.flatten(1, 2),
            positives,
            temperature=temperature,
            reduction=self.config.reduction,
            candidates=taking_part.flatten(1, 2),
        )


def _run_branch(branch: ParallelMlps, vectors: Mapping[Modality, Tensor]) -> dict[Modality, Tensor]:
    """Apply Eq. 2 or 4; a dropped branch gives an empty mapping."""
    return dict(zip(vectors, branch(vectors), strict=True)) if len(branch) else {}
