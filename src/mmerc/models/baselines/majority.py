"""The majority baseline: the label distribution of the training split."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from pydantic import field_validator
from torch import nn

from mmerc.conversation import MODALITIES, Modality
from mmerc.data.batch import ConversationBatch
from mmerc.models.base import ConversationModel, ModelConfig, ModelOutput
from mmerc.models.training_data import TrainingStatistics


class _MajorityConfig(ModelConfig):
    """Settings; no modality is needed."""

    name: str = "majority"
    modalities: tuple[Modality, ...] = ()

    @field_validator("modalities")
    @classmethod
    def each_once_in_order(cls, modalities: tuple[Modality, ...]) -> tuple[Modality, ...]:
        """Accept an empty list; listed modalities are not used."""
        return tuple(modality for modality in MODALITIES if modality in modalities)


class Majority(ConversationModel[_MajorityConfig]):
    """Always predict the most frequent emotion of the training split."""

    name: ClassVar[str] = "majority"
    config_class = _MajorityConfig
    kind: ClassVar[Literal["system", "baseline"]] = "baseline"

    def build(self) -> None:
        self.log_prior = nn.Parameter(torch.zeros(len(self.labels)))

    def fit(self, statistics: TrainingStatistics) -> None:
        super().fit(statistics)
        counts = statistics.label_counts.float() + 1e-6
        with torch.no_grad():  # the optimum of the cross-entropy, which training keeps
            self.log_prior.copy_((counts / counts.sum()).log())

    def forward(self, batch: ConversationBatch) -> ModelOutput:
        logits = self.log_prior.expand(*batch.mask.shape, -1)
        loss = self.emotion_loss(logits, batch.labels)
        return ModelOutput(logits=logits, losses={"emotion": loss}, loss=loss)
