"""Trade time for memory: recompute activations in the backward pass."""

from __future__ import annotations

from typing import Any


def recompute_activations(backbone: Any) -> None:
    """Have a transformers model store only the inputs of its layers in training."""
    newer = "activation_checkpointing_enable"  # where it exists, the older name warns
    enable = getattr(backbone, newer, None) or backbone.gradient_checkpointing_enable
    enable({"use_reentrant": False})
