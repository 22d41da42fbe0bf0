"""Tuning of a pre-trained encoder: everything, LoRA adapters, or nothing."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, Literal

Tuning = Literal["full", "lora", "frozen"]


def apply_tuning(
    backbone: Any, tuning: Tuning, *, rank: int, layers: Sequence[str] | str = "all-linear"
) -> Any:
    """Choose the trainable parameters; with "lora", ``layers`` get adapters (Hu et al., ICLR 2022).

    The adapters have rank ``rank`` and scaling 2.
    """
    if tuning == "frozen":
        backbone.requires_grad_(False)
    if tuning != "lora":
        return backbone
    from peft import LoraConfig, get_peft_model  # takes a second to import and is rarely needed

    modules = layers if isinstance(layers, str) else list(layers)
    settings = LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=modules)
    with warnings.catch_warnings():  # about a deprecated name in peft itself
        warnings.simplefilter("ignore", FutureWarning)
        adapted = get_peft_model(backbone, settings)
    _keep_inputs(adapted)
    return adapted


def _keep_inputs(adapted: Any) -> None:
    """Pass inputs to adapters as they are, like peft's ``disable_input_dtype_casting``.

    Under autocast, peft would convert bfloat16 inputs to float32, and autocast would convert them
    back.
    """
    for layer in adapted.modules():
        if hasattr(layer, "cast_input_dtype_enabled"):
            layer.cast_input_dtype_enabled = False
