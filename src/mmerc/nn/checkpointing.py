"""Gradient checkpointing: recompute activations in the backward pass to save memory."""

from __future__ import annotations

from typing import Any


def recompute_activations(backbone: Any) -> None:
    """Make a transformers model store only its layers' inputs during training."""
    newer = "activation_checkpointing_enable"  # if it exists, the older name warns
    enable = getattr(backbone, newer, None) or backbone.gradient_checkpointing_enable
    enable({"use_reentrant": False})
