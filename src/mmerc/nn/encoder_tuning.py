"""How much of a pre-trained encoder is trained: all of it, LoRA's matrices, or nothing."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, Literal

Tuning = Literal["full", "lora", "frozen"]


def tuned(
    backbone: Any, tuning: Tuning, *, rank: int, layers: Sequence[str] | str = "all-linear"
) -> Any:
    """Make those parameters trainable; ``layers`` get LoRA's matrices (Hu et al., ICLR 2022)."""
    if tuning == "frozen":
        backbone.requires_grad_(False)
    if tuning != "lora":
        return backbone
    from peft import LoraConfig, get_peft_model  # a second to import, and seldom needed

    modules = layers if isinstance(layers, str) else list(layers)
    settings = LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=modules)
    with warnings.catch_warnings():  # of a name that peft itself still uses
        warnings.simplefilter("ignore", FutureWarning)
        return get_peft_model(backbone, settings)
