"""DF-ERC, whole (Li et al., ACM MM 2023)."""

from __future__ import annotations

from typing import ClassVar

from torch import nn

from mmerc.data.batch import ConversationBatch
from mmerc.models.base import ConversationModel, Explanation, ModelOutput
from mmerc.models.df_erc.config import DfErcConfig
from mmerc.models.df_erc.contribution import ContributionFusion
from mmerc.models.df_erc.disentanglement import Disentanglement
from mmerc.models.df_erc.refusion import ContextRefusion
from mmerc.nn.mlp import mlp


class DfErc(ConversationModel[DfErcConfig]):
    """Disentangle every modality, fuse them by contribution, refuse context by agreement."""

    name: ClassVar[str] = "df-erc"
    config_class = DfErcConfig

    def build(self) -> None:
        classes = len(self.labels)
        self.disentanglement = Disentanglement(self.inputs.output_widths, self.config)
        self.fusion = ContributionFusion(self.disentanglement.widths, self.config, classes)
        self.refusion = ContextRefusion(self.disentanglement.widths, self.config, classes)
        self.classifier: nn.Module = mlp(
            self.refusion.width,
            classes,
            hidden=self.config.classifier_width,
            dropout=self.config.dropout,
        )

    def start_epoch(self) -> None:
        if self.config.restart_prototypes and self.refusion.prototypes is not None:
            self.refusion.prototypes.restart()

    def forward(self, batch: ConversationBatch) -> ModelOutput:
        """Eqs. 1-25."""
        vectors, present = self.inputs(batch)
        apart = self.disentanglement(vectors, present)
        fused = self.fusion(apart.vectors, present, batch.labels)
        refused = self.refusion(fused.fused, apart.vectors, present, batch.mask, batch.labels)
        logits = self.classifier(refused.vectors).float()
        losses = {
            "emotion": self.emotion_loss(logits, batch.labels),
            "contrast_modality": apart.modality_loss,
            "contrast_utterance": apart.utterance_loss,
            "contribution_classifier": fused.classifier_loss,
            "contribution_confidence": fused.confidence_loss,
            "prototype": refused.prototype_loss,
        }
        contrast = losses["contrast_modality"] + losses["contrast_utterance"]
        contribution = losses["contribution_classifier"] + losses["contribution_confidence"]
        loss = (
            self.config.contrast_weight * contrast
            + self.config.contribution_weight * contribution
            + self.config.prototype_weight * losses["prototype"]
            + losses["emotion"]
        )
        explanation = Explanation(
            weights=fused.weights,
            similarity=refused.similarity,
            context_weight=refused.context_weight,
        )
        return ModelOutput(logits=logits, losses=losses, loss=loss, explanation=explanation)
