"""The complete DF-ERC (Li et al., ACM MM 2023)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn

from mmerc.conversation import Modality
from mmerc.data.batch import ConversationBatch, ModalityWeights
from mmerc.labels import UNKNOWN_LABEL
from mmerc.models.base import ConversationModel, Explanation, ModelOutput
from mmerc.models.df_erc.config import DfErcConfig
from mmerc.models.df_erc.consistency import ModalityConsistency
from mmerc.models.df_erc.contribution import ContributionFusion
from mmerc.models.df_erc.disentanglement import Disentanglement
from mmerc.models.df_erc.recognisers import ModalityRecognisers, replace_without_words
from mmerc.models.df_erc.refusion import ContextRefusion
from mmerc.models.inputs import zero_absent
from mmerc.models.stored_text import StoredTextDropout
from mmerc.models.training_data import TrainingStatistics
from mmerc.nn.mlp import mlp
from mmerc.nn.packing import Packing


class DfErc(ConversationModel[DfErcConfig]):
    """Disentangle modalities, fuse them by contribution, add context where they disagree."""

    name: ClassVar[str] = "df-erc"
    config_class = DfErcConfig

    def build(self) -> None:
        classes = len(self.labels)
        self.text_dropout = StoredTextDropout(self.config.text_dropout, self.text_encoder)
        widths = self.inputs.output_widths
        self.recognisers = (
            ModalityRecognisers(widths, hidden=self.config.classifier_width, classes=classes)
            if self.config.recognisers
            else None
        )
        if self.recognisers is not None:
            widths = {m: width if m == "text" else classes for m, width in widths.items()}
        self.disentanglement = Disentanglement(widths, self.config)
        constant = {m: width if self.reads_constants(m) else 0 for m, width in widths.items()}
        widths = self.disentanglement.widths
        self.fusion = ContributionFusion(widths, self.config, classes, constant=constant)
        self.refusion = ContextRefusion(widths, self.config, classes, constant=constant)
        self.consistency = (
            ModalityConsistency(classes=classes, causal=not self.config.bidirectional)
            if self.config.consistency
            else None
        )
        self.classifier: nn.Module = mlp(
            self.refusion.width,
            classes,
            hidden=self.config.classifier_width,
            dropout=self.config.dropout,
        )

    def reads_constants(self, modality: Modality) -> bool:
        """Whether a modality's vectors are stored or detached, so that they need no gradient."""
        return modality in self.inputs.widths or (
            self.recognisers is not None and modality != "text"
        )

    @property
    def compares_conversations(self) -> bool:
        config = self.config
        contrasts = config.contrasts_modalities or config.contrasts_utterances
        return config.scope == "batch" and config.contrast_weight > 0 and contrasts

    def fit(self, statistics: TrainingStatistics) -> None:
        super().fit(statistics)
        if self.consistency is not None:
            self.consistency.fit(statistics.label_counts)
        if self.recognisers is not None:
            self.recognisers.fit(statistics.label_counts)

    def start_epoch(self) -> None:
        if self.config.restart_prototypes and self.refusion.prototypes is not None:
            self.refusion.prototypes.restart()

    def repeat(self, batch: ConversationBatch) -> ModelOutput:
        if self.refusion.prototypes is None:
            return super().repeat(batch)
        with self.refusion.prototypes.paused():
            return super().repeat(batch)

    def weigh_modalities(self, batch: ConversationBatch) -> ModalityWeights:
        if self.consistency is None:
            return super().weigh_modalities(batch)
        packing, inputs, present = self.pack_inputs(batch)
        present_at = packing.unpack_all(present)
        # An exported graph must also work for longer conversations than the traced ones.
        if not _is_tracing() and not self.consistency.has_enough(present_at).any():
            return super().weigh_modalities(batch)
        vectors = self.read_recognised(inputs, self.recognise(inputs), present)
        disentangled = self.disentanglement(vectors, present, packing, with_losses=False).vectors
        logits = packing.unpack_all(self.fusion.classify(disentangled))
        weights: ModalityWeights = self.consistency(logits, present_at)
        return weights if _is_tracing() else {s: w for s, w in weights.items() if w.any()}

    def pack_inputs(
        self, batch: ConversationBatch
    ) -> tuple[Packing, Mapping[Modality, Tensor], Mapping[Modality, Tensor]]:
        """Return the inputs of every utterance; training leaves padding out.

        Shape: -> {m: [U, D_m]}, {m: [U] bool}.
        """
        vectors, present = self.inputs(batch)
        packing = Packing(batch.mask, skip_padding=self.training)
        return packing, packing.pack_all(vectors), packing.pack_all(present)

    def recognise(self, vectors: Mapping[Modality, Tensor]) -> Mapping[Modality, Tensor]:
        """Return the logits of audio and video by themselves. Shape: [U, K] each."""
        return {} if self.recognisers is None else self.recognisers(vectors)

    def read_recognised(
        self,
        vectors: Mapping[Modality, Tensor],
        alone: Mapping[Modality, Tensor],
        present: Mapping[Modality, Tensor],
    ) -> Mapping[Modality, Tensor]:
        """Return the vectors to fuse; recognised log probabilities replace audio and video.

        Shape: vectors[m] [U, D_m], alone[m] [U, K] -> {m: [U, D_m or K]}.
        """
        if self.recognisers is None:
            return vectors
        log_probabilities = {
            m: torch.log_softmax(scores.detach(), -1) for m, scores in alone.items()
        }
        return {m: zero_absent(log_probabilities.get(m, v), present[m]) for m, v in vectors.items()}

    def forward(self, batch: ConversationBatch) -> ModelOutput:
        """Apply Eqs. 1-25."""
        packing, inputs, present = self.pack_inputs(batch)
        labels = packing.pack(batch.labels, fill=UNKNOWN_LABEL)
        alone = self.recognise(inputs)
        vectors = self.read_recognised(inputs, alone, present)
        vectors = self.text_dropout(vectors)
        disentangled = self.disentanglement(
            vectors, present, packing, with_losses=self.training or _has_labels(labels)
        )
        fused = self.fusion(disentangled.vectors, present, labels)
        refusion = self.refusion(fused.fused, disentangled.vectors, present, labels, packing)
        logits = self.classifier(refusion.vectors).float()
        losses = {
            "emotion": self.emotion_loss(logits, labels),
            "contrast_modality": disentangled.modality_loss,
            "contrast_utterance": disentangled.utterance_loss,
            "contribution_classifier": fused.classifier_loss,
            "contribution_confidence": fused.confidence_loss,
            "prototype": refusion.prototype_loss,
        }
        if self.recognisers is not None:
            losses["recognisers"] = self.recognisers.loss(
                alone, present, packing.pack_all(batch.modality_labels, fill=UNKNOWN_LABEL), labels,
                reduction=self.config.reduction,
            )  # fmt: skip
        contrast = losses["contrast_modality"] + losses["contrast_utterance"]
        contribution = losses["contribution_classifier"] + losses["contribution_confidence"]
        loss = (
            self.config.contrast_weight * contrast
            + self.config.contribution_weight * contribution
            + self.config.prototype_weight * losses["prototype"]
            + losses["emotion"]
            + losses.get("recognisers", 0.0)
        )
        if self.recognisers is not None and not self.training:
            logits = replace_without_words(logits, alone, present)
        if self.training:
            return ModelOutput(logits=packing.unpack(logits), losses=losses, loss=loss)
        explanation = Explanation(
            weights=packing.unpack_all(fused.weights),
            similarity=_unpack(packing, refusion.similarity),
            context_weight=_unpack(packing, refusion.context_weight),
        )
        return ModelOutput(
            logits=packing.unpack(logits),
            losses=losses,
            loss=loss,
            explanation=explanation,
        )


def _is_tracing() -> bool:
    """Whether a graph is being traced for export."""
    tracing: bool = torch.jit.is_tracing()  # type: ignore[attr-defined, no-untyped-call]
    return tracing


def _has_labels(labels: Tensor) -> bool:
    """Whether any utterance has a label; never while tracing, as an exported graph has no loss."""
    return not _is_tracing() and bool((labels >= 0).any())


def _unpack(packing: Packing, values: Tensor | None) -> Tensor | None:
    """Put rows back, if there are any. Shape: [U] -> [B, N]."""
    return None if values is None else packing.unpack(values)
