"""The complete MultiEMO (Shi and Huang, ACL 2023)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import ClassVar

import torch
from torch import Tensor, nn

from mmerc.conversation import Modality
from mmerc.data.batch import ConversationBatch
from mmerc.errors import UsageError
from mmerc.models.base import ConversationModel, Explanation, ModelOutput
from mmerc.models.multiemo.config import VISEXTNET_WIDTH, MultiEmoConfig
from mmerc.models.multiemo.context_modelling import ContextModelling
from mmerc.models.multiemo.losses import sample_weighted_focal_contrastive_loss, soft_hgr_loss
from mmerc.models.multiemo.multi_attention import MultiAttention, Shares
from mmerc.models.stored_text import StoredTextDropout
from mmerc.models.training_data import TrainingStatistics
from mmerc.nn.mlp import mlp
from mmerc.nn.packing import PresentPositions

_Vectors = Mapping[Modality, Tensor]


@dataclass(frozen=True, slots=True, kw_only=True)
class Intermediates:
    """Features of a batch at each stage of the model (the paper's Figure 6).

    Shape: ``unimodal[m]`` [B, N, D_m], ``context[m]`` and ``fused[m]`` [B, N, W], ``joint`` (z)
    [B, N, W]; ``attention[m, other]`` [B, N, N], empty for "-MultiAttn".
    """

    unimodal: _Vectors
    context: _Vectors
    fused: _Vectors
    joint: Tensor
    attention: Shares


class MultiEmo(ConversationModel[MultiEmoConfig]):
    """Add context to every modality, let each attend to the others, and join them.

    [decided] A learnt vector replaces the fused features of an absent modality; the others do not
    attend to it. The two losses over whole batches are 0 in evaluation, where they would depend on
    how conversations are batched.
    """

    name: ClassVar[str] = "multiemo"
    config_class = MultiEmoConfig

    def build(self) -> None:
        config, widths = self.config, self.inputs.output_widths
        if "-VisExtNet" in config.ablations and widths["video"] == VISEXTNET_WIDTH:
            raise UsageError(
                "-VisExtNet needs a 3D-CNN's video vectors, but the corpus's have VisExtNet's "
                f"width ({VISEXTNET_WIDTH}); prepare others with `mmerc prepare manifest`."
            )
        self.text_dropout = StoredTextDropout(config.text_dropout, self.text_encoder)
        self.context = ContextModelling(widths, config)
        self.fusion = (
            None if "-MultiAttn" in config.ablations else MultiAttention(list(widths), config)
        )
        self.absent = nn.ParameterDict({m: torch.zeros(config.width) for m in widths})
        self.joint = nn.Linear(len(widths) * config.width, config.width)
        self.classifier = mlp(
            config.width, len(self.labels), hidden=config.classifier_width, dropout=config.dropout
        )
        self.register_buffer("class_counts", torch.ones(len(self.labels)))

    class_counts: Tensor

    def fit(self, statistics: TrainingStatistics) -> None:
        super().fit(statistics)
        self.class_counts = statistics.label_counts.float()

    @property
    def compares_conversations(self) -> bool:
        config = self.config
        contrasts = config.contrast_weight > 0 and "-SWFC" not in config.ablations
        return contrasts or config.correlation_weight > 0

    def forward(self, batch: ConversationBatch) -> ModelOutput:
        """Apply Eqs. 2-22 (the weight decay of Eq. 22 is left to the optimiser)."""
        vectors, present = self.inputs(batch)
        context = self.context(self.text_dropout(vectors), present, batch.speakers)
        fused = self.fuse(context, present)
        utterances = PresentPositions(batch.mask)
        joint = self.join_utterances(fused, present, utterances)
        logits = self.classifier(joint).float()
        labels = utterances.take(batch.labels)
        losses = {"emotion": self.emotion_loss(logits, labels)}
        losses |= self.batch_losses(fused, joint, present, labels)
        first, second = self.config.contrast_weight, self.config.correlation_weight
        correlation = losses["correlation"]
        if self.config.reduction == "mean":
            correlation = correlation / batch.mask.sum()  # Eq. 22's 1/N; the others are means
        loss = (
            first * losses["contrast"]
            + second * correlation
            + (1 - first - second) * losses["emotion"]
        )
        reasons = Explanation() if self.training else self.explain(context, present)
        return ModelOutput(
            logits=utterances.spread(logits), losses=losses, loss=loss, explanation=reasons
        )

    def fuse(self, context: _Vectors, present: _Vectors) -> _Vectors:
        """Apply Eqs. 2-12; "-MultiAttn" leaves the contexts unchanged. Shape: {m: [B, N, W]}."""
        return context if self.fusion is None else self.fusion(context, present)

    def join_utterances(
        self, fused: _Vectors, present: _Vectors, utterances: PresentPositions
    ) -> Tensor:
        """Compute z of Eq. 14 without padding. Shape: fused[m] [B, N, W] -> [U, W]."""
        return self.join_modalities(
            {m: utterances.take(vectors) for m, vectors in fused.items()},
            {m: utterances.take(mask) for m, mask in present.items()},
        )

    def join_modalities(self, fused: _Vectors, present: _Vectors) -> Tensor:
        """Compute z of Eq. 14. Shape: fused[m] [..., W], present[m] [...] -> [..., W]."""
        parts = [
            torch.where(mask.unsqueeze(-1), fused[m], self.absent[m]) for m, mask in present.items()
        ]
        joint: Tensor = self.joint(torch.cat(parts, -1))
        return joint

    def batch_losses(
        self, fused: _Vectors, joint: Tensor, present: _Vectors, labels: Tensor
    ) -> dict[str, Tensor]:
        """Compute Eq. 19 ("contrast") and Eq. 20 over all pairs of modalities ("correlation")."""
        config = self.config
        contrast = correlation = joint.new_zeros((), dtype=torch.float32)
        if self.training and "-SWFC" not in config.ablations:
            contrast = sample_weighted_focal_contrastive_loss(
                joint,
                labels,
                temperature=config.temperature,
                focus=config.contrast_focus,
                sample_weight=config.sample_weight,
                class_counts=self.class_counts if config.class_counting == "training" else None,
                weight_scale=config.weight_scale,
                normalize=config.normalize,
                reduction=config.reduction,
            )
        if self.training:
            for one, other in combinations(fused, 2):
                both = present[one] & present[other]
                correlation = correlation + soft_hgr_loss(fused[one][both], fused[other][both])
        return {"contrast": contrast, "correlation": correlation}

    @torch.no_grad()
    def explain(self, context: _Vectors, present: _Vectors) -> Explanation:
        """Report MultiAttn's attention between utterances.

        It is averaged over all pairs of modalities; ``context_weight`` is the share on other
        utterances. ``mmerc.prediction.effects`` measures how much a modality counted.
        """
        if self.fusion is None or len(context) < 2:
            return Explanation()
        attention = _average_attention(self.fusion.shares(context, present), present)
        on_others = attention.sum(-1) - attention.diagonal(dim1=1, dim2=2)
        return Explanation(context_weight=on_others, attention=attention)

    @torch.no_grad()
    def compute_intermediates(self, batch: ConversationBatch) -> Intermediates:
        """Compute features and attention of a batch for figures; call in evaluation mode."""
        vectors, present = self.inputs(batch)
        context = self.context(vectors, present, batch.speakers)
        fused = self.fuse(context, present)
        return Intermediates(
            unimodal=vectors,
            context=context,
            fused=fused,
            joint=self.join_modalities(fused, present),
            attention={} if self.fusion is None else self.fusion.shares(context, present),
        )


def _average_attention(shares: Shares, present: _Vectors) -> Tensor:
    """Average the attention over all pairs of modalities whose first one is present.

    Rows sum to 1, or to 0 if the utterance has no modality or there is nothing to attend to.
    Shape: shares[m, other] [B, N, N], present[m] [B, N] -> [B, N, N].
    """
    weighted = torch.stack([share * present[m].unsqueeze(-1) for (m, _), share in shares.items()])
    attention = weighted.sum(0)
    total = attention.sum(-1, keepdim=True)
    return attention / torch.where(total > 0, total, 1.0)
