"""The change that ``mmerc adapt`` makes: an affine map of a model's log probabilities."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor

from mmerc.errors import InputError
from mmerc.labels import LabelSet


@dataclass(frozen=True, slots=True, kw_only=True)
class LogitAdaptation:
    """The affine map; ``weights`` has one row per label of the original model.

    ``labels`` are the target labels; None: those of the original model.

    Shape: weights [K, L], bias [L].
    """

    weights: tuple[tuple[float, ...], ...]
    bias: tuple[float, ...]
    labels: LabelSet | None = None

    def apply(self, logits: Tensor) -> Tensor:
        """Return the adapted logits. Shape: [..., K] -> [..., L]."""
        weights, bias = logits.new_tensor(self.weights), logits.new_tensor(self.bias)
        return torch.log_softmax(logits, dim=-1) @ weights + bias

    def to_json(self) -> dict[str, Any]:
        """Return the JSON that ``read`` expects."""
        value: dict[str, Any] = {
            "weights": [list(row) for row in self.weights],
            "bias": list(self.bias),
        }
        return value if self.labels is None else value | {"labels": self.labels.to_json()}

    @classmethod
    def read(cls, folder: Path, config: Mapping[str, Any], *, count: int) -> Self | None:
        """Read the adaptation of a saved model; None without one, InputError if damaged."""
        value = config.get("adaptation")
        if value is None:
            return None
        try:
            weights = tuple(tuple(map(float, row)) for row in value["weights"])
            bias = tuple(map(float, value["bias"]))
            labels = LabelSet.from_json(value["labels"]) if "labels" in value else None
            columns = count if labels is None else len(labels)
            if [len(row) for row in weights] != [columns] * count or len(bias) != columns:
                raise ValueError("another number of labels")
        except (InputError, KeyError, TypeError, ValueError) as error:
            problem = "an adaptation that does not fit the labels"
            raise InputError(folder / "config.json", problem, "adapt the model again") from error
        return cls(weights=weights, bias=bias, labels=labels)
