"""One training step and one validation pass, for any model."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import lightning
import torch
from torch import Tensor, nn

from mmerc.conversation import Modality
from mmerc.data.batch import ConversationBatch
from mmerc.errors import MmercError
from mmerc.evaluation.metrics import weighted_f1_from_confusion
from mmerc.models.base import AnyModel
from mmerc.training.recipe import TrainingConfig

MONITORED = "valid_weighted_f1"


class TrainingModule(lightning.LightningModule):
    """Trains ``model`` by ``config``; all randomness of an epoch comes from seed and epoch.

    That is what makes a resumed run equal to an undisturbed one: no random state is carried over.
    """

    def __init__(self, model: AnyModel, config: TrainingConfig, *, seed: int) -> None:
        super().__init__()
        self.model = model
        self.settings = config
        self.seed = seed
        classes = len(model.labels)
        self.confusion = torch.zeros(classes, classes, dtype=torch.long)

    def on_train_epoch_start(self) -> None:
        torch.manual_seed(self.seed * 100_003 + self.current_epoch)
        loader: Any = self.trainer.train_dataloader
        loader.batch_sampler.set_epoch(self.current_epoch)
        self.model.start_epoch()

    def training_step(self, batch: ConversationBatch, batch_idx: int) -> Tensor:
        if self.settings.modality_dropout > 0:
            batch = drop_modalities(batch, self.settings.modality_dropout)
        output = self.model(batch)
        if not bool(torch.isfinite(output.loss)):
            self.report_loss(output.losses, batch_idx)
        terms = {f"train_{name}": value for name, value in output.losses.items()}
        size = int(batch.mask.sum())
        self.log_dict(
            terms | {"train_loss": output.loss}, on_step=False, on_epoch=True, batch_size=size
        )
        loss: Tensor = output.loss
        return loss

    def report_loss(self, losses: Any, batch_idx: int) -> None:
        """Stop with the name of the term that is not finite."""
        bad = [name for name, value in losses.items() if not bool(torch.isfinite(value))]
        raise MmercError(
            f"Training stopped in epoch {self.current_epoch}, batch {batch_idx}: the loss term "
            f"{', '.join(bad) or 'total'} is not a finite number; the state of the last whole "
            "epoch is kept, so lower the learning rate and train anew."
        )

    def on_validation_epoch_start(self) -> None:
        self.confusion.zero_()

    def validation_step(self, batch: ConversationBatch, batch_idx: int) -> None:
        predicted = self.model(batch).logits.argmax(-1)
        known = batch.labels >= 0
        pairs = batch.labels[known] * len(self.confusion) + predicted[known]
        counted = torch.bincount(pairs.cpu(), minlength=self.confusion.numel())
        self.confusion += counted.view_as(self.confusion)

    def on_validation_epoch_end(self) -> None:
        confusion = self.confusion.numpy()
        accuracy = confusion.trace() / max(confusion.sum(), 1)
        weighted_f1 = float(weighted_f1_from_confusion(confusion))
        self.log_dict({"valid_accuracy": 100 * accuracy, MONITORED: weighted_f1})

    def configure_gradient_clipping(
        self,
        optimizer: Any,
        gradient_clip_val: int | float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        nn.utils.clip_grad_norm_(self.model.parameters(), self.settings.gradient_norm)

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.AdamW(parameter_groups(self.model, self.settings), fused=True)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, self.learning_rate_factor)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }

    def learning_rate_factor(self, step: int) -> float:
        """[decided] Linear warm-up, then linear decay to 0."""
        warmup = self.settings.warmup_steps
        steps = int(self.trainer.estimated_stepping_batches)
        if step < warmup:
            return (step + 1) / (warmup + 1)
        if self.settings.schedule == "constant":
            return 1.0
        return max(0.0, (steps - step) / max(1, steps - warmup))


def drop_modalities(batch: ConversationBatch, rate: float) -> ConversationBatch:
    """Declare modalities absent at random; every utterance keeps at least one that it had."""
    names = list(batch.present)
    had = torch.stack([batch.present[name] for name in names])
    kept = had & (torch.rand(had.shape, device=had.device) >= rate)
    lost_all = had.any(0) & ~kept.any(0)
    kept = torch.where(lost_all, had, kept)
    present: dict[Modality, Tensor] = {name: kept[i] for i, name in enumerate(names)}
    return batch.with_present(present)


def parameter_groups(model: AnyModel, config: TrainingConfig) -> list[dict[str, Any]]:
    """Two learning rates (Sec. 4.1), the encoder's falling by ``layer_decay`` a layer downwards.

    [decided] Biases and normalisation weights are not decayed.
    """
    encoder = set() if model.text_encoder is None else set(model.text_encoder.parameters())
    depth = encoder_depth(model)
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in trainable(model):
        rate = config.learning_rate
        if parameter in encoder:
            layers_above = depth - layer_of(name, depth)
            rate = config.encoder_learning_rate * config.layer_decay**layers_above
        decay = config.weight_decay if parameter.ndim > 1 else 0.0
        groups.setdefault((rate, decay), []).append(parameter)
    return [
        {"params": parameters, "lr": rate, "weight_decay": decay}
        for (rate, decay), parameters in groups.items()
    ]


def trainable(model: nn.Module) -> Iterator[tuple[str, nn.Parameter]]:
    """Named parameters that have a gradient."""
    return ((name, p) for name, p in model.named_parameters() if p.requires_grad)


def encoder_depth(model: AnyModel) -> int:
    """Number of layers of the model's text encoder, 0 without one."""
    encoder = model.text_encoder
    return 0 if encoder is None else int(encoder.backbone.config.num_hidden_layers)


def layer_of(name: str, depth: int) -> int:
    """Layer of an encoder parameter, from 1; 0 for embeddings, ``depth`` for what follows."""
    found = re.search(r"\.layers?\.(\d+)\.", name)
    if found is not None:
        return int(found.group(1)) + 1
    return 0 if "embeddings" in name else depth
