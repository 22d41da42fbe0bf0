"""Less memory for more time: activations that are computed again for the backward pass."""

from __future__ import annotations

from typing import Any


def recompute_activations(backbone: Any) -> None:
    """Keep of every layer of a transformers model only what goes in, while it is trained."""
    newer = "activation_checkpointing_enable"  # where it is known, the older name warns
    enable = getattr(backbone, newer, None) or backbone.gradient_checkpointing_enable
    enable({"use_reentrant": False})
