"""Settings for training the face network."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from mmerc.features.denseface.network import SIDE
from mmerc.training.face_network.augmentation import Augmentation


class FaceNetworkConfig(BaseModel):
    """Training settings; the schedule is one cycle (Smith & Topin 2019).

    The first epochs may use smaller images, which cost less (Howard 2018).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    epochs: int = Field(default=60, ge=1)
    batch_size: int = Field(default=128, ge=2)
    optimizer: Literal["sgd", "adamw"] = Field(
        default="sgd", description="sgd: with Nesterov momentum"
    )
    learning_rate: float = Field(default=0.1, gt=0, description="peak of the cycle")
    warmup: float = Field(default=0.2, gt=0, lt=1, description="share of steps before the peak")
    start_divisor: float = Field(default=25.0, ge=1, description="peak / first learning rate")
    end_divisor: float = Field(default=1e4, ge=1, description="first / last learning rate")
    momentum: float = Field(default=0.9, ge=0, lt=1)
    weight_decay: float = Field(default=5e-4, ge=0)
    label_smoothing: float = Field(default=0.1, ge=0, lt=1)
    mixup: float = Field(default=0.0, ge=0, description="alpha of the beta distribution; 0: off")
    frozen_blocks: int = Field(
        default=0, ge=0, lt=3, description="dense blocks that keep their initial weights"
    )
    weight_averaging: float = Field(default=0.999, ge=0, lt=1, description="decay per step")
    early_side: int = Field(
        default=48, ge=24, le=48, description="side of faces in early epochs, in pixels"
    )
    early_share: float = Field(default=0.0, ge=0, le=1, description="share of early epochs")
    augmentation: Augmentation = Augmentation()
    equalise: bool = Field(
        default=False, description="equalise the histogram of each face, for denseface-2 and -3"
    )
    bfloat16: bool = Field(default=True, description="if the hardware supports it")
    seed: int = Field(default=0, ge=0)

    def side_in(self, epoch: int) -> int:
        """Side of the faces in an epoch (from 0), in pixels."""
        return self.early_side if epoch < round(self.early_share * self.epochs) else SIDE
