"""Everything that a training changes, and its copy on disk at the end of each epoch."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.optim import SGD, AdamW, Optimizer
from torch.optim.lr_scheduler import OneCycleLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from mmerc.errors import InputError
from mmerc.features.denseface.network import DenseNet
from mmerc.training.checkpoint import SafetensorsCheckpointIO
from mmerc.training.face_network.config import FaceNetworkConfig


class TrainingState:
    """Network, running average of its weights, optimizer, schedule, history and best weights."""

    stateful = ("network", "averaged", "optimizer", "schedule")
    plain = ("history", "best_epoch", "best_weights")

    def __init__(self, config: FaceNetworkConfig, *, images: int, device: torch.device) -> None:
        self.config, self.device = config, device
        self.network = fresh_network(config.seed).to(device)
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        decay = get_ema_multi_avg_fn(config.weight_averaging)  # type: ignore[no-untyped-call]
        self.averaged = AveragedModel(self.network, multi_avg_fn=decay, use_buffers=True)
        self.optimizer = make_optimizer(self.network, config)
        self.schedule = OneCycleLR(
            self.optimizer,
            max_lr=config.learning_rate,
            total_steps=config.epochs * math.ceil(images / config.batch_size),
            pct_start=config.warmup,
            div_factor=config.start_divisor,
            final_div_factor=config.end_divisor,
            cycle_momentum=False,
        )
        self.history: list[dict[str, float]] = []
        self.best_epoch = -1
        self.best_weights: dict[str, Tensor] = {}

    @property
    def epoch(self) -> int:
        """The epoch that is next."""
        return len(self.history)

    @property
    def average(self) -> DenseNet:
        """The network with averaged weights, in evaluation mode."""
        network = self.averaged.module
        if not isinstance(network, DenseNet):
            raise TypeError(f"expected a DenseNet, got {type(network).__name__}")
        return network.eval()

    def end_epoch(self, row: dict[str, float]) -> None:
        """Note an epoch; its averaged weights are kept if they are the best on PublicTest."""
        self.history.append(row)
        accuracies = [past["public_accuracy"] for past in self.history]
        if accuracies[-1] > max(accuracies[:-1], default=-math.inf):
            self.best_epoch = len(self.history) - 1
            weights = self.average.state_dict()
            self.best_weights = {name: tensor.cpu().clone() for name, tensor in weights.items()}

    def save(self, path: Path, identity: dict[str, Any]) -> None:
        """Write all of it as one file, whole or not at all."""
        parts = {name: getattr(self, name).state_dict() for name in self.stateful}
        kept = {name: getattr(self, name) for name in self.plain}
        SafetensorsCheckpointIO().save_checkpoint(parts | kept | {"identity": identity}, path)

    def load(self, path: Path, identity: dict[str, Any]) -> None:
        """Go on from ``path``; InputError where it is another training's."""
        value = SafetensorsCheckpointIO().load_checkpoint(path)
        if value.pop("identity", None) != identity:
            problem = "a training with other settings or other faces was begun here"
            raise InputError(path.parent, problem, "choose another folder, or remove this one")
        for name in self.stateful:
            getattr(self, name).load_state_dict(value[name])
        for name in self.plain:
            setattr(self, name, value[name])


def fresh_network(seed: int) -> DenseNet:
    """A network with weights drawn by ``seed``, whatever the device and what was drawn before."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return DenseNet()


def make_optimizer(network: DenseNet, config: FaceNetworkConfig) -> Optimizer:
    """The optimizer that ``config`` names."""
    rate, decay = config.learning_rate, config.weight_decay
    if config.optimizer == "adamw":
        betas = (config.momentum, 0.999)
        return AdamW(network.parameters(), lr=rate, betas=betas, weight_decay=decay)
    return SGD(
        network.parameters(), lr=rate, momentum=config.momentum, weight_decay=decay,
        nesterov=config.momentum > 0,
    )  # fmt: skip
