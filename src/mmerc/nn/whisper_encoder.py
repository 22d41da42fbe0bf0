"""Whisper's encoder in plain torch, because importing transformers takes longer than running it.

Parameter names and results (bit for bit) match transformers' ``WhisperEncoder``, which training
uses.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

from mmerc.nn.attention import attention
from mmerc.nn.empty_layers import EmptyConv1d, EmptyEmbedding, EmptyLinear

_PREFIX = "encoder."
_NAMES = (
    "d_model", "num_mel_bins", "encoder_layers", "encoder_attention_heads", "encoder_ffn_dim",
    "max_source_positions",
)  # fmt: skip
_RATES = ("dropout", "attention_dropout", "activation_dropout")


def load_whisper(folder: Path) -> WhisperEncoder | None:
    """Load the encoder in a folder memory-mapped; None unless it is a plain Whisper."""
    try:
        values = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        state = load_file(folder / "model.safetensors")
    except (OSError, ValueError, SafetensorError):
        return None
    if not isinstance(values, dict) or not _is_plain(values):
        return None
    state = {n.removeprefix(_PREFIX): state[n] for n in state if n.startswith(_PREFIX)}
    encoder = WhisperEncoder(values)
    expected = {name: tensor.shape for name, tensor in encoder.state_dict().items()}
    if {name: tensor.shape for name, tensor in state.items()} != expected:
        return None
    if any(tensor.dtype != torch.float32 for tensor in state.values()):
        return None
    encoder.load_state_dict(state, assign=True)
    return encoder.requires_grad_(False).eval()


def _is_plain(values: Mapping[str, Any]) -> bool:
    """Whether a configuration fully describes a Whisper without dropout."""
    return (
        values.get("model_type") == "whisper"
        and values.get("activation_function") == "gelu"
        and all(values.get(name) == 0 for name in _RATES)
        and all(name in values for name in _NAMES)
    )


class WhisperEncoder(nn.Module):
    """The parts of the encoder; ``mmerc.nn.whisper`` runs them."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        super().__init__()
        width, heads = values["d_model"], values["encoder_attention_heads"]
        self.config = SimpleNamespace(**{**values, "hidden_size": width})
        self.conv1 = EmptyConv1d(values["num_mel_bins"], width, kernel_size=3, padding=1)
        self.conv2 = EmptyConv1d(width, width, kernel_size=3, stride=2, padding=1)
        self.embed_positions = EmptyEmbedding(values["max_source_positions"], width)
        self.layers = nn.ModuleList(
            _Layer(width, heads=heads, inner=values["encoder_ffn_dim"])
            for _ in range(values["encoder_layers"])
        )
        self.layer_norm = nn.LayerNorm(width)


class _SelfAttention(nn.Module):
    def __init__(self, width: int, *, heads: int) -> None:
        super().__init__()
        self.head_width = width // heads
        self.k_proj = EmptyLinear(width, width, bias=False)
        self.v_proj, self.q_proj, self.out_proj = (EmptyLinear(width, width) for _ in range(3))

    def forward(self, hidden: Tensor, mask: Tensor) -> Tensor:
        """Shape: [U, P, width], mask [U, 1, 1, P] bool -> [U, P, width]."""
        query = (
            self.q_proj(hidden) * self.head_width**-0.5
        )  # before the product, as in OpenAI's code
        query, key, value = (
            part.unflatten(-1, (-1, self.head_width)).transpose(1, 2).contiguous()
            for part in (query, self.k_proj(hidden), self.v_proj(hidden))
        )
        output: Tensor = self.out_proj(
            attention(self, query, key, value, mask, scaling=1.0)[0].flatten(2)
        )
        return output


class _Layer(nn.Module):
    def __init__(self, width: int, *, heads: int, inner: int) -> None:
        super().__init__()
        self.self_attn = _SelfAttention(width, heads=heads)
        self.self_attn_layer_norm = nn.LayerNorm(width)
        self.fc1, self.fc2 = EmptyLinear(width, inner), EmptyLinear(inner, width)
        self.final_layer_norm = nn.LayerNorm(width)

    def forward(self, hidden: Tensor, mask: Tensor) -> Tensor:
        """Shape: [U, P, width], mask [U, 1, 1, P] bool -> [U, P, width]."""
        hidden = hidden + self.self_attn(self.self_attn_layer_norm(hidden), mask)
        inner = functional.gelu(self.fc1(self.final_layer_norm(hidden)))
        output: Tensor = hidden + self.fc2(inner)
        return output
