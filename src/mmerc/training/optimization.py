"""The optimizer, its learning rates and their schedule."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import lightning
import torch
from torch import nn
from torch.optim.lr_scheduler import ReduceLROnPlateau

from mmerc.models.base import AnyModel
from mmerc.training.recipe import TrainingConfig

VALID_LOSS = "valid_loss"
_SMALLEST_NORM = 1e-6  # as in torch's clip_grad_norm_
_LOWEST = ("embeddings", "embed_positions", "conv", "feature_")  # parts below the first layer


def create_optimizer(model: AnyModel, config: TrainingConfig) -> torch.optim.Optimizer:
    """Create the recipe's optimizer over all trainable parameters."""
    kind = torch.optim.AdamW if config.optimizer == "adamw" else torch.optim.Adam
    return kind(_parameter_groups(model, config), betas=config.adam_betas, fused=True)


def _parameter_groups(model: AnyModel, config: TrainingConfig) -> list[dict[str, Any]]:
    """Group parameters by learning rate: two (DF-ERC, Sec. 4.1), with decay by encoder layer.

    The encoders' rate is multiplied by ``layer_decay`` per layer downwards.

    [decided] Biases and normalisation weights are not decayed.
    """
    depths = _encoder_depths(model)
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in _trainable(model):
        rate = config.learning_rate
        if parameter in depths:
            depth = depths[parameter]
            layers_above = depth - _encoder_layer(name, depth)
            rate = config.encoder_learning_rate * config.layer_decay**layers_above
        decay = config.weight_decay if parameter.ndim > 1 else 0.0
        groups.setdefault((rate, decay), []).append(parameter)
    return [
        {"params": parameters, "lr": rate, "weight_decay": decay}
        for (rate, decay), parameters in groups.items()
    ]


def clip_gradients(optimizer: Any, *, largest: float) -> None:
    """Let the optimizer's next step scale the gradients so that their norm is at most ``largest``.

    torch's fused optimizers divide gradients by ``grad_scale`` when they read them.
    """
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    gradients = [weight.grad for weight in weights if weight.grad is not None]
    norm = nn.utils.get_total_norm(gradients, foreach=True)
    optimizer.grad_scale = ((norm + _SMALLEST_NORM) / largest).clamp(min=1)


def _trainable(model: nn.Module) -> Iterator[tuple[str, nn.Parameter]]:
    """Yield the trainable parameters by name."""
    return ((name, p) for name, p in model.named_parameters() if p.requires_grad)


def _encoder_depths(model: AnyModel) -> dict[nn.Parameter, int]:
    """Map every encoder parameter to the number of layers of its encoder."""
    depths: dict[nn.Parameter, int] = {}
    if model.text_encoder is not None:
        layers = int(model.text_encoder.backbone.config.num_hidden_layers)
        depths |= dict.fromkeys(model.text_encoder.parameters(), layers)
    if model.speech_encoder is not None:
        depths |= dict.fromkeys(model.speech_encoder.parameters(), model.speech_encoder.depth)
    return depths


def _encoder_layer(name: str, depth: int) -> int:
    """Return the layer of a parameter, from 1; 0 for parts below, ``depth`` for parts above."""
    match = re.search(r"\.layers?\.(\d+)\.", name)
    if match is not None:
        return int(match.group(1)) + 1
    return 0 if any(part in name for part in _LOWEST) else depth


def learning_rate_factor(step: int, steps: int, config: TrainingConfig) -> float:
    """Return the learning rate factor at ``step`` of ``steps``.

    [decided] Linear warm-up, then linear decay to 0, unless the schedule says otherwise.
    """
    warmup = config.count_warmup(steps)
    if step < warmup:
        return (step + 1) / (warmup + 1)
    if config.schedule == "linear":
        return max(0.0, (steps - step) / max(1, steps - warmup))
    if config.schedule == "stepwise":
        epoch = step * config.epochs // max(1, steps)
        return float(config.decay_factor ** (epoch // config.decay_epochs))
    return 1.0


class Plateau(lightning.Callback):
    """Lowers the learning rates when the validation loss stops falling.

    Lightning's own scheduling runs only after the epoch's state has been saved.
    """

    def __init__(self, config: TrainingConfig) -> None:
        self.config = config
        self.schedule: ReduceLROnPlateau | None = None
        self.restored: dict[str, Any] = {}

    def on_train_start(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        self.schedule = ReduceLROnPlateau(
            trainer.optimizers[0],
            factor=self.config.decay_factor,
            patience=self.config.decay_epochs,
        )
        self.schedule.load_state_dict(self.restored)

    def on_validation_end(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        if self.schedule is not None:
            self.schedule.step(trainer.callback_metrics[VALID_LOSS])

    def state_dict(self) -> dict[str, Any]:
        return {} if self.schedule is None else dict(self.schedule.state_dict())

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.restored = state_dict
