"""Settings of MultiEMO; defaults are the paper's (Sec. 4.3) or [decided]."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from mmerc.models.base import ModelConfig
from mmerc.models.multiemo.losses import WeightScale

_Ablation = Literal["-VisExtNet", "-MultiAttn", "-SWFC"]
VISEXTNET_WIDTH = 1000  # Sec. 3.3.3


class MultiEmoConfig(ModelConfig):
    """Settings of MultiEMO; ``ablations`` are the switches of Tables 1 and 2 (the paper's names).

    "-VisExtNet" expects video vectors from a 3D-CNN; "-MultiAttn" joins the modalities' contexts
    unchanged; "-SWFC" drops that loss and keeps the weights of the others.

    [decided] SWFC normalises its vectors unless ``normalize`` is false (Eq. 18 does not).
    ``class_counting``: count classes over the batch (Eq. 19) or the training split (as released).
    ``class_weight_scale``: class weights (N/n)^alpha are "raw" (Eq. 19), "sum" to 1 over the
    classes (as released: 1/62 of the raw ones on MELD with alpha 0.8) or have "mean" 1 over the
    utterances (ours). Default: raw for batch counts, sum for training counts.
    ``classifier_width`` is the value released for MELD.
    """

    name: Literal["multiemo"] = "multiemo"
    width: int = Field(default=256, ge=1, description="width of every modality and of z (Eq. 14)")
    audio_width: int = Field(
        default=512, ge=1, description="wider audio vectors are first reduced to this width"
    )
    feed_forward_width: int = Field(default=1024, ge=1)
    classifier_width: int = Field(default=512, ge=1)
    layers: int = Field(default=6, ge=1, description="number T of layers")
    attention_heads: int = Field(default=4, ge=1)
    bidirectional: bool = True
    text_context: bool = False
    text_transformer_layers: int = Field(
        default=0, ge=0, description="for the two-stage paradigm (App. A.1); 0: one stage"
    )
    text_dropout: float = Field(default=0.0, ge=0, lt=1, description="on stored text vectors")
    dropout: float = Field(default=0.1, ge=0, lt=1)
    contrast_weight: float = Field(default=0.4, ge=0, le=1, description="mu 1")
    correlation_weight: float = Field(default=0.3, ge=0, le=1, description="mu 2")
    temperature: float = Field(default=0.8, gt=0, description="tau")
    contrast_focus: float = Field(default=2.0, ge=0, description="gamma")
    sample_weight: float = Field(default=0.8, ge=0, description="alpha")
    normalize: bool = True
    class_counting: Literal["batch", "training"] = "batch"
    class_weight_scale: WeightScale | None = None
    ablations: tuple[_Ablation, ...] = ()

    @property
    def weight_scale(self) -> WeightScale:
        """The scale of the class weights in effect."""
        default: WeightScale = "raw" if self.class_counting == "batch" else "sum"
        return self.class_weight_scale or default

    @model_validator(mode="after")
    def fits_together(self) -> MultiEmoConfig:
        """Reject settings that contradict each other."""
        if self.width % self.attention_heads:
            raise ValueError(
                f"width {self.width} is not a multiple of {self.attention_heads} heads"
            )
        if self.contrast_weight + self.correlation_weight > 1:
            raise ValueError("contrast_weight and correlation_weight are together more than 1")
        if "-VisExtNet" in self.ablations and "video" not in self.modalities:
            raise ValueError("-VisExtNet replaces video, which is not among the modalities")
        if self.text_context and self.text_transformer_layers:
            raise ValueError("text_context and text_transformer_layers exclude each other")
        return self
