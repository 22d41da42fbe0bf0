"""Devices to train on, and the precision."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from mmerc.errors import UsageError
from mmerc.precision import fast_bfloat16
from mmerc.training.recipe import Recipe

_ACCELERATORS = ("auto", "cpu", "gpu", "cuda", "mps")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hardware:
    """Hardware to train on; several ``devices`` train data-parallel."""

    accelerator: str = "auto"
    devices: int = 1
    progress: bool = False

    def __post_init__(self) -> None:
        if self.accelerator not in _ACCELERATORS:
            names = ", ".join(_ACCELERATORS)
            problem = f"No accelerator is called {self.accelerator!r}"
            raise UsageError(f"{problem}; available: {names}.")

    @property
    def device(self) -> str:
        """The torch device; ``auto`` is resolved for this machine."""
        if self.accelerator in {"gpu", "cuda"}:
            return "cuda"
        if self.accelerator == "auto" and torch.cuda.is_available():
            return "cuda"
        mps = self.accelerator == "auto" and torch.backends.mps.is_available()
        return "mps" if mps or self.accelerator == "mps" else "cpu"

    def precision(self, recipe: Recipe) -> str:
        """Return the recipe's precision; ``auto`` is bfloat16 if that is faster here.

        Small fusion models on stored vectors gain nothing from it on a CPU, with or without AMX:
        most of their time goes into reading and converting weights (benchmarks/).
        """
        if recipe.training.precision != "auto":
            return recipe.training.precision
        reads = recipe.model.trains_text_encoder or recipe.model.speech is not None
        gains = fast_bfloat16(self.device) and (reads or self.device != "cpu")
        return "bf16-mixed" if gains else "32-true"

    def identity(self, recipe: Recipe) -> dict[str, str | int]:
        """Return the properties that affect a result."""
        precision = self.precision(recipe)
        return {"device": self.device, "devices": self.devices, "precision": precision}
