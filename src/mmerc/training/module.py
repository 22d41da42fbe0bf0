"""One training step and one validation pass, for any model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import lightning
import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel

from mmerc.conversation import Modality
from mmerc.data.batch import ConversationBatch
from mmerc.errors import MmercError
from mmerc.evaluation.metrics import weighted_f1_from_confusion
from mmerc.models.base import AnyModel
from mmerc.nn.classification import soft_label_loss
from mmerc.nn.reduction import reduce_items
from mmerc.prediction.averaging import predict_probabilities
from mmerc.prediction.effects import with_encoded_text
from mmerc.training.disturbances import disturb_conversations
from mmerc.training.joined_conversations import join_randomly
from mmerc.training.loss_means import LossMeans
from mmerc.training.optimization import (
    VALID_LOSS,
    clip_gradients,
    create_optimizer,
    learning_rate_factor,
)
from mmerc.training.recipe import TrainingConfig
from mmerc.training.scoring import count_pairs

MONITORED = "valid_weighted_f1"
AVERAGED, RAW = "averaged", "raw"


class TrainingModule(lightning.LightningModule):
    """Trains ``model`` with ``config``; an epoch's randomness depends only on seed and epoch.

    So a resumed run equals an uninterrupted one: no random state is carried over.
    """

    def __init__(self, model: AnyModel, config: TrainingConfig, *, seed: int) -> None:
        super().__init__()
        self.model = model
        # Buffers come from the newest model: position numbers cannot be averaged, nor can
        # prototypes across restarts.
        self.averaged = (
            AveragedModel(model, multi_avg_fn=self.average_weights, use_buffers=False)
            if config.averages_weights
            else None
        )
        self.settings = config
        self.seed = seed
        self.mean_labelled = 1.0
        self.loss_means = LossMeans()
        self.kept = next(iter(self.candidates))
        classes = len(model.labels)
        self.confusions = {
            name: torch.zeros(classes, classes, dtype=torch.long) for name in self.candidates
        }

    def on_train_epoch_start(self) -> None:
        loader: Any = self.trainer.train_dataloader
        loader.batch_sampler.set_epoch(self.current_epoch)
        self.mean_labelled = loader.batch_sampler.mean_labelled
        self.model.start_epoch()
        self.loss_means.restart()

    def on_train_batch_start(self, batch: ConversationBatch, batch_idx: int) -> None:
        # Not at the epoch's start, where the loader draws a number unless the run is resumed.
        if batch_idx == 0:
            torch.manual_seed(self.seed * 100_003 + self.current_epoch)

    def training_step(self, batch: ConversationBatch, batch_idx: int) -> Tensor:
        if self.settings.joined_conversations > 1:
            batch = join_randomly(batch, self.settings.joined_conversations)
        if self.settings.disturbance_rate > 0:
            batch = disturb_conversations(batch, self.settings.disturbance_rate)
        if self.settings.modality_dropout > 0:
            batch = _drop_modalities(batch, self.settings.modality_dropout)
        batch = _mix_vectors(batch, self.settings.vector_mixing)
        output = self.model(batch)
        loss: Tensor = output.loss
        if not bool(torch.isfinite(output.loss)):
            self.report_loss(output.losses, batch_idx)
        terms = {f"train_{name}": value for name, value in output.losses.items()}
        if self.settings.consistency > 0:
            second = self.model.repeat(batch)
            difference = _consistency_loss(output.logits, second.logits, batch.labels)
            loss = (loss + second.loss) / 2 + self.settings.consistency * difference
            terms["train_consistency"] = difference
        terms["train_loss"] = loss
        weighted = loss * self.batch_weight(batch)
        if self.settings.soft_label_weight > 0:
            soft = self.soft_loss(output.logits, batch.soft_labels)
            weighted = weighted + self.settings.soft_label_weight * soft
            terms["train_soft_labels"] = soft
        self.loss_means.add(terms, int(batch.mask.sum()))
        return weighted

    def batch_weight(self, batch: ConversationBatch) -> Tensor | float:
        """Return the factor of a batch's loss that weights all labelled utterances equally.

        The losses are means over the batch, so utterances of small batches would count more. Sums
        (``reduction: sum``) need no factor. The factor is the same whether gradients are
        accumulated or averaged over processes.
        """
        if self.model.config.reduction == "sum":
            return 1.0
        return (batch.labels >= 0).sum() / self.mean_labelled

    def soft_loss(self, logits: Tensor, soft_labels: Tensor | None) -> Tensor:
        """Return the cross-entropy with soft labels, on the scale of the weighted loss.

        So an utterance has the same weight in every batch, with or without labelled ones beside it.
        It is 0 for a batch without soft labels, so that all processes log it.
        """
        if soft_labels is None:
            return logits.new_zeros(())
        total = soft_label_loss(logits, soft_labels)
        return total if self.model.config.reduction == "sum" else total / self.mean_labelled

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        if self.averaged is not None:
            self.averaged.update_parameters(self.model)

    def average_weights(self, averaged: Any, newest: Any, update: Tensor | int) -> None:
        """Move the averaged weights towards the newest weights, in place."""
        steps = int(self.trainer.estimated_stepping_batches)
        decay = self.settings.averaging_decay(int(update), steps)
        torch._foreach_lerp_(averaged, newest, 1 - decay)

    @property
    def candidates(self) -> dict[str, AnyModel]:
        """The networks to validate, by the name of their weights."""
        if self.averaged is None:
            return {RAW: self.model}
        return {AVERAGED: cast(AnyModel, self.averaged.module), RAW: self.model}

    @property
    def chosen(self) -> AnyModel:
        """The network to keep: the better one on validation; the averaged one if tied."""
        return self.candidates[self.kept]

    def report_loss(self, losses: Any, batch_idx: int) -> None:
        """Raise MmercError naming the loss term that is not finite."""
        bad = [name for name, value in losses.items() if not bool(torch.isfinite(value))]
        raise MmercError(
            f"Training stopped in epoch {self.current_epoch + 1}, batch {batch_idx + 1}: the loss "
            f"term {', '.join(bad) or 'total'} is not a finite number; the state of the last "
            "complete epoch is kept, so lower the learning rate and train again."
        )

    def on_validation_epoch_start(self) -> None:
        for confusion in self.confusions.values():
            confusion.zero_()

    def validation_step(self, batch: ConversationBatch, batch_idx: int) -> None:
        if self.settings.vector_mixing:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(batch_idx)  # the same mixtures in every validation
                batch = _mix_vectors(batch, self.settings.vector_mixing)
        for number, (name, model) in enumerate(self.candidates.items()):
            if self.settings.schedule == "plateau" and number == 0:
                size, loss = int((batch.labels >= 0).sum()), model(batch).loss
                self.log(VALID_LOSS, loss, on_epoch=True, batch_size=size, sync_dist=True)
            scores = predict_probabilities(model, with_encoded_text(model, batch))
            self.confusions[name] += count_pairs(batch.labels, scores)

    def on_validation_epoch_end(self) -> None:
        scores = {
            name: float(weighted_f1_from_confusion(confusion.numpy()))
            for name, confusion in self.confusions.items()
        }
        self.kept = max(scores, key=scores.__getitem__)
        confusion = self.confusions[self.kept].numpy()
        accuracy = 100 * confusion.trace() / max(confusion.sum(), 1)
        measured = {"valid_accuracy": float(accuracy), MONITORED: scores[self.kept]}
        if self.averaged is not None:
            measured |= {f"{MONITORED}_{name}": score for name, score in scores.items()}
        self.log_dict(measured, sync_dist=True)
        # Here rather than after training, where callbacks would read them too early.
        losses, utterances = self.loss_means.compute(), self.loss_means.utterances
        self.log_dict(losses, batch_size=utterances, sync_dist=True)

    def configure_gradient_clipping(
        self,
        optimizer: Any,
        gradient_clip_val: int | float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        clip_gradients(optimizer, largest=self.settings.gradient_norm)

    def configure_optimizers(self) -> Any:
        optimizer = create_optimizer(self.model, self.settings)
        if self.settings.schedule == "plateau":
            return optimizer
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, self.learning_rate_factor)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }

    def learning_rate_factor(self, step: int) -> float:
        """Return the learning rate factor of a step."""
        return learning_rate_factor(
            step, int(self.trainer.estimated_stepping_batches), self.settings
        )


def _consistency_loss(first: Tensor, second: Tensor, labels: Tensor) -> Tensor:
    """Symmetric KL divergence between two passes with different dropout (R-Drop, Wu et al. 2021).

    Shape: first, second [B, N, K], labels [B, N] (-100 is ignored) -> scalar.
    """
    one, other = first.log_softmax(-1), second.log_softmax(-1)
    divergence = ((one.exp() - other.exp()) * (one - other)).sum(-1) / 2
    return reduce_items(divergence, labels >= 0, "mean")


def _mix_vectors(batch: ConversationBatch, shares: Mapping[Modality, float]) -> ConversationBatch:
    """Mix a share of another utterance's vector, drawn from the batch, into each vector.

    Vectors from a network trained on the same labels are cleaner than those of test, so a model
    learns to overtrust them. Mixing makes them less certain.
    """
    if not shares:
        return batch
    features = dict(batch.features)
    for modality, share in shares.items():
        if modality not in features:  # the model does not use it
            continue
        present = batch.present[modality]
        vectors = batch.features[modality][present]
        others = vectors[torch.randperm(len(vectors), device=vectors.device)]
        mixed = batch.features[modality].clone()
        mixed[present] = (1 - share) * vectors + share * others
        features[modality] = mixed
    return batch.with_features(features)


def _drop_modalities(batch: ConversationBatch, rate: float) -> ConversationBatch:
    """Mark modalities as absent at random; every utterance keeps at least one.

    A text encoder still reads dropped text as context of neighbouring utterances.
    """
    names = list(batch.present)
    had = torch.stack([batch.present[name] for name in names])
    present_after = had & (torch.rand(had.shape, device=had.device) >= rate)
    lost_all = had.any(0) & ~present_after.any(0)
    present_after = torch.where(lost_all, had, present_after)
    present: dict[Modality, Tensor] = {name: present_after[i] for i, name in enumerate(names)}
    return batch.with_present(present)
