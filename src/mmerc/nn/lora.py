"""LoRA adapters in plain torch, for prediction, because importing peft takes seconds.

Parameter names and results (bit for bit) match peft, which training uses.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

SCALING = 2


class _AdaptedLinear(nn.Module):
    """A linear layer plus ``SCALING`` times a low-rank product (Hu et al., ICLR 2022, Eq. 3)."""

    def __init__(self, linear: nn.Linear, rank: int) -> None:
        super().__init__()
        self.base_layer = linear
        down = nn.Linear(linear.in_features, rank, bias=False)
        up = nn.Linear(rank, linear.out_features, bias=False)
        nn.init.zeros_(up.weight)
        self.lora_A, self.lora_B = nn.ModuleDict({"default": down}), nn.ModuleDict({"default": up})

    def forward(self, inputs: Tensor) -> Tensor:
        """Shape: [..., in] -> [..., out]."""
        output: Tensor = self.base_layer(inputs)
        change = self.lora_B["default"](self.lora_A["default"](inputs))
        adapted: Tensor = (output + change * SCALING).to(output.dtype)
        return adapted

    def merged(self) -> nn.Linear:
        """Add the product to the linear layer's weights and return that layer."""
        change = self.lora_B["default"].weight @ self.lora_A["default"].weight  # type: ignore[operator]
        self.base_layer.weight.data += change.data * SCALING
        return self.base_layer


class AdaptedModel(nn.Module):
    """A model with adapters on all linear layers; only the adapters are trained."""

    def __init__(self, model: nn.Module, *, rank: int) -> None:
        super().__init__()
        model.requires_grad_(False)
        for path, layer in list(model.named_modules()):
            if isinstance(layer, nn.Linear):
                _replace(model, path, _AdaptedLinear(layer, rank))
        self.base_model = nn.Module()
        self.base_model.model = model

    @property
    def config(self) -> Any:
        return self.get_base_model().config

    def get_base_model(self) -> Any:
        """Return the wrapped model, including its adapters."""
        return self.base_model.model

    def forward(self, *arguments: Any, **named: Any) -> Any:
        return self.get_base_model()(*arguments, **named)

    def merge_and_unload(self) -> Any:
        """Add the adapters to the weights; return the model without adapters."""
        model = self.get_base_model()
        for path, layer in list(model.named_modules()):
            if isinstance(layer, _AdaptedLinear):
                _replace(model, path, layer.merged())
        return model


def _replace(model: nn.Module, path: str, layer: nn.Module) -> None:
    """Replace the layer at ``path``."""
    parent, _, name = path.rpartition(".")
    setattr(model.get_submodule(parent), name, layer)
