"""One training step and one validation pass of the face network."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, cast

import lightning
import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor
from torch.optim import SGD, AdamW, Optimizer
from torch.optim.lr_scheduler import OneCycleLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from mmerc.errors import InputError
from mmerc.features.denseface.equalisation import equalise
from mmerc.features.denseface.network import DenseNet, normalise
from mmerc.precision import fast_bfloat16
from mmerc.training.face_network.augmentation import augment
from mmerc.training.face_network.config import FaceNetworkConfig
from mmerc.training.face_network.face_scores import score_faces
from mmerc.training.face_network.images import LabelledFaces

ACCURACY = "public_accuracy"
_Batch = tuple[Tensor, Tensor, float]  # images, labels, share of each image in its mixture


class FaceBatches:
    """Augmented batches, reshuffled every epoch.

    Randomness depends only on seed and epoch, so resuming needs no random state.
    """

    def __init__(self, faces: LabelledFaces, config: FaceNetworkConfig) -> None:
        self.faces, self.config = faces, config
        self.epoch = 0

    def __len__(self) -> int:
        return math.ceil(len(self.faces) / self.config.batch_size)

    def __iter__(self) -> Iterator[_Batch]:
        """Shape: images [B, 1, side, side] float32, 0 to 255; labels [B]."""
        config, device = self.config, self.faces.labels.device
        numbers = np.random.default_rng([config.seed, self.epoch])
        generator = torch.Generator(device).manual_seed(int(numbers.integers(2**62)))
        order = torch.from_numpy(numbers.permutation(len(self.faces))).to(device)
        for rows in torch.split(order, config.batch_size):
            images = augment(self.faces.images[rows], config.augmentation, generator=generator)
            images = equalise(images) if config.equalise else images
            images = _resize_faces(images, config.side_in(self.epoch))
            share = numbers.beta(config.mixup, config.mixup) if config.mixup else 1.0
            yield images, self.faces.labels[rows], share


def _resize_faces(images: Tensor, side: int) -> Tensor:
    """Downsample faces. Shape: [B, 1, H, W] -> [B, 1, side, side]."""
    if images.shape[-1] == side:
        return images
    return F.interpolate(images, size=side, mode="bilinear", antialias=True)


def _mixup_loss(
    network: DenseNet, images: Tensor, labels: Tensor, *, share: float, config: FaceNetworkConfig
) -> Tensor:
    """Cross-entropy of images mixed with their neighbours; each image keeps ``share``.

    Mixup: Zhang et al., ICLR 2018.

    Shape: images [B, 1, H, W] 0 to 255, labels [B] -> scalar.
    """
    mixed = share * images + (1 - share) * images.roll(1, dims=0)
    inputs = normalise(mixed).contiguous(memory_format=torch.channels_last)
    bfloat16 = uses_bfloat16(config, images.device)
    with torch.autocast(images.device.type, torch.bfloat16, enabled=bfloat16):
        logits = network(inputs).logits
    loss, neighbour = (
        F.cross_entropy(logits, targets, label_smoothing=config.label_smoothing)
        for targets in (labels, labels.roll(1))
    )
    return share * loss + (1 - share) * neighbour


def uses_bfloat16(config: FaceNetworkConfig, device: torch.device) -> bool:
    """Whether bfloat16 is requested and supported by the hardware."""
    return config.bfloat16 and fast_bfloat16(device)


class FaceNetworkModule(lightning.LightningModule):
    """Trains a DenseNet with a one-cycle learning rate; keeps the averaged weights.

    ``identity`` describes the training; state of a different training is refused. ``initial`` are
    the initial weights; None: random, from the seed.
    """

    def __init__(
        self,
        config: FaceNetworkConfig,
        *,
        identity: dict[str, Any],
        initial: Mapping[str, Tensor] | None = None,
    ) -> None:
        super().__init__()
        self.config, self.identity = config, identity
        self.network = _create_network(config.seed)
        if initial is not None:
            self.network.load_state_dict(initial)
        self.network.first_blocks(config.frozen_blocks).requires_grad_(False)
        average = get_ema_multi_avg_fn(config.weight_averaging)  # type: ignore[no-untyped-call]
        self.averaged = AveragedModel(self.network, multi_avg_fn=average, use_buffers=True)

    @property
    def chosen(self) -> DenseNet:
        """The network to score and keep: averaged weights, in evaluation mode."""
        return cast(DenseNet, self.averaged.module).eval()

    def on_train_epoch_start(self) -> None:
        batches: Any = self.trainer.train_dataloader
        batches.epoch = self.current_epoch

    def transfer_batch_to_device(self, batch: Any, device: Any, dataloader_idx: int) -> Any:
        return batch  # all faces are already on the device

    def training_step(self, batch: _Batch, batch_idx: int) -> Tensor:
        images, labels, share = batch
        self.network.first_blocks(self.config.frozen_blocks).eval()  # freezes batch norms
        loss = _mixup_loss(self.network, images, labels, share=share, config=self.config)
        self.log("train_loss", loss, on_step=False, on_epoch=True, batch_size=len(labels))
        return loss

    def on_train_batch_end(self, outputs: Any, batch: _Batch, batch_idx: int) -> None:
        self.averaged.update_parameters(self.network)

    def validation_step(self, faces: LabelledFaces, batch_idx: int) -> None:
        bfloat16 = uses_bfloat16(self.config, self.device)
        accuracy = score_faces(
            self.chosen, faces, equalised=self.config.equalise, bfloat16=bfloat16
        ).accuracy
        schedule = cast(OneCycleLR, self.lr_schedulers())
        values = {ACCURACY: accuracy, "learning_rate": float(schedule.get_last_lr()[0])}
        self.log_dict(values, batch_size=len(faces))

    def configure_optimizers(self) -> Any:
        config, optimizer = self.config, _create_optimizer(self.network, self.config)
        schedule = OneCycleLR(
            optimizer,
            max_lr=config.learning_rate,
            total_steps=int(self.trainer.estimated_stepping_batches),
            pct_start=config.warmup,
            div_factor=config.start_divisor,
            final_div_factor=config.end_divisor,
            cycle_momentum=False,
        )
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["identity"] = self.identity

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        if checkpoint.get("identity") != self.identity:
            problem = "a training with other settings or other faces was started here"
            raise InputError(self.trainer.ckpt_path, problem, "choose another folder, or remove it")


def _create_network(seed: int) -> DenseNet:
    """Create a network with weights from ``seed``, independent of the global random state."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = DenseNet()
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network


def _create_optimizer(network: DenseNet, config: FaceNetworkConfig) -> Optimizer:
    """Create the configured optimizer."""
    rate, decay = config.learning_rate, config.weight_decay
    weights = [weight for weight in network.parameters() if weight.requires_grad]
    if config.optimizer == "adamw":
        return AdamW(weights, lr=rate, betas=(config.momentum, 0.999), weight_decay=decay)
    return SGD(
        weights, lr=rate, momentum=config.momentum, weight_decay=decay,
        nesterov=config.momentum > 0,
    )  # fmt: skip
