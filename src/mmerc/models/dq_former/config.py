"""Settings of DQ-Former; defaults are the paper's base model (Sec. 4.2)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from mmerc.models.utterance_model import UtteranceConfig


class DqFormerConfig(UtteranceConfig):
    """Settings of DQ-Former, with the switches of Table 3.

    ``threshold`` (tau; 0: w/o tau), ``priority`` (false: w/o DMP), ``fusion`` ("late": only at the
    last layer; "early": from the first layer of the shallowest encoder).

    [decided] Encoders of different depths are aligned at their last layers. ``residual`` adds the
    queries in Eq. 9, as in the released code; the printed equation does not.
    """

    name: Literal["dq-former"] = "dq-former"
    width: int = Field(default=768, ge=1, description="width d of the queries")
    queries: int = Field(default=16, ge=1, description="number l of queries")
    attention_heads: int = Field(default=8, ge=1)
    fusion_layers: int = Field(default=4, ge=1, description="last layers of each encoder")
    fusion: Literal["middle", "late", "early"] = "middle"
    threshold: float = Field(default=0.1, ge=0, lt=1, description="tau, Eq. 8")
    priority: bool = Field(default=True, description="DMP; false: all modalities count equally")
    residual: bool = True
    dropout: float = Field(default=0.1, ge=0, lt=1)
    alone_weight: float = Field(default=1.0, ge=0, description="lambda t and a, Eq. 14")

    @model_validator(mode="after")
    def heads_share_the_width(self) -> DqFormerConfig:
        """Reject a width that the heads do not divide."""
        if self.width % self.attention_heads:
            raise ValueError(
                f"width {self.width} is not a multiple of {self.attention_heads} heads"
            )
        return self
