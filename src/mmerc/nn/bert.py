"""BERT in plain torch, for prediction: importing transformers takes longer than encoding a text.

Parameter names and results (bit for bit) match transformers' ``BertModel`` without its pooler.
Training, and everything that ``read_bert_settings`` rejects, use transformers itself.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Self

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

from mmerc.nn.attention import attention
from mmerc.nn.empty_layers import EmptyEmbedding, EmptyLinear

_UNUSED = ("pooler.", "embeddings.position_ids")  # tensors in a file that are ignored


@dataclass(frozen=True, slots=True, kw_only=True)
class BertSettings:
    """The architecture from a ``config.json``; ``values`` is the whole file."""

    vocab_size: int
    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    intermediate_size: int
    max_position_embeddings: int
    type_vocab_size: int
    layer_norm_eps: float
    hidden_dropout_prob: float
    attention_probs_dropout_prob: float
    pad_token_id: int
    model_type: str = "bert"
    values: Mapping[str, Any] = field(repr=False)

    def to_json_string(self) -> str:
        """Return the content of ``config.json``, like transformers' configurations."""
        return json.dumps(dict(self.values))


def read_bert_settings(folder: Path, *, attention_dropout: float) -> BertSettings | None:
    """Read ``config.json``; None unless it describes a plain BERT completely."""
    try:
        values = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(values, dict) or not _is_plain(values):
        return None
    values = {**values, "attention_probs_dropout_prob": attention_dropout}
    names = BertSettings.__dataclass_fields__.keys() - {"values"}
    if not names <= values.keys():
        return None
    return BertSettings(values=values, **{name: values[name] for name in names})


def _is_plain(values: Mapping[str, Any]) -> bool:
    """Whether a configuration describes a BERT without rare variations."""
    return (
        values.get("model_type") == "bert"
        and values.get("hidden_act") == "gelu"
        and values.get("position_embedding_type", "absolute") == "absolute"
        and not values.get("is_decoder", False)
        and not values.get("add_cross_attention", False)
        and not values.get("chunk_size_feed_forward", 0)
    )


class BertStates(NamedTuple):
    """``hidden_states``: embeddings, then the states of each layer; None if not requested."""

    last_hidden_state: Tensor
    hidden_states: tuple[Tensor, ...] | None


class BertReader(nn.Module, ABC):
    """The interface of encoders that read rows of tokens like a BERT."""

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        *,
        output_hidden_states: bool = False,
    ) -> BertStates:
        """Read rows of tokens.

        Shape: input_ids, position_ids [W, L], attention_mask [W, L] or [W, 1, L, L] bool
        -> [W, L, width].
        """
        states = tuple(self.read_states(input_ids, token_mask(attention_mask), position_ids))
        return BertStates(states[-1], states if output_hidden_states else None)

    @abstractmethod
    def read_states(
        self, ids: Tensor, mask: Tensor | None, positions: Tensor | None
    ) -> Iterator[Tensor]:
        """Yield the embeddings, then the states of each layer, [W, L, width] each."""


class Bert(BertReader):
    """The post-norm encoder of Devlin et al. (NAACL 2019), with learnt positions."""

    def __init__(self, settings: BertSettings) -> None:
        super().__init__()
        self.config = settings
        self.embeddings = _Embeddings(settings)
        self.encoder = nn.Module()
        self.encoder.layer = nn.ModuleList(
            _Layer(settings) for _ in range(settings.num_hidden_layers)
        )

    @classmethod
    def load(cls, folder: Path, settings: BertSettings) -> Self | None:
        """Load ``model.safetensors`` memory-mapped; None if it has other tensors."""
        try:
            state = load_file(folder / "model.safetensors")
        except (OSError, SafetensorError):
            return None
        state = {name: state[name] for name in state if not name.startswith(_UNUSED)}
        model = cls(settings)
        expected = {name: tensor.shape for name, tensor in model.state_dict().items()}
        if {name: tensor.shape for name, tensor in state.items()} != expected:
            return None
        if any(tensor.dtype != torch.float32 for tensor in state.values()):
            return None
        model.load_state_dict(state, assign=True)
        return model

    def read_states(
        self, ids: Tensor, mask: Tensor | None, positions: Tensor | None
    ) -> Iterator[Tensor]:
        hidden = self.embeddings(ids, positions)
        yield hidden
        for layer in self.encoder.layer:  # type: ignore[union-attr]
            hidden = layer(hidden, mask)
            yield hidden


class UpperBert(nn.Module):
    """A BERT with frozen lower layers, which read each row only once in training.

    ``trained``: number of trained layers at the end. Only these have dropout.
    """

    def __init__(self, bert: Bert, *, trained: int) -> None:
        super().__init__()
        self.config = bert.config
        layers: list[nn.Module] = list(bert.encoder.layer)  # type: ignore[arg-type]
        self.embeddings, self.lower = bert.embeddings, layers[:-trained]
        self.upper = nn.ModuleList(layers[-trained:])
        self.known: dict[tuple[object, ...], list[Tensor]] = {}

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        *,
        output_hidden_states: bool = False,
    ) -> BertStates:
        """Read rows of tokens, like ``Bert``."""
        mask, given = token_mask(attention_mask), (input_ids, attention_mask, position_ids)
        rows = (b"" if item is None else item.numpy().tobytes() for item in given)
        key = (output_hidden_states, *rows)
        states = self.known.get(key) if self.training else None
        if states is None:
            states = self._read_lower(input_ids, mask, position_ids)
            states = states if output_hidden_states else states[-1:]
        if self.training:
            self.known[key] = states
        states = [*states]
        for layer in self.upper:
            states.append(layer(states[-1], mask))
        return BertStates(states[-1], tuple(states) if output_hidden_states else None)

    @torch.no_grad()
    def _read_lower(
        self, ids: Tensor, mask: Tensor | None, positions: Tensor | None
    ) -> list[Tensor]:
        states: list[Tensor] = [self.embeddings.eval()(ids, positions)]
        for layer in self.lower:
            states.append(layer.eval()(states[-1], mask))
        return states


def token_mask(mask: Tensor | None) -> Tensor | None:
    """Let every token attend to the real ones; None if all are. Shape: [W, L] -> [W, 1, L, L]."""
    if mask is None or mask.ndim == 4:
        return mask
    if bool(mask.all()):
        return None
    return mask[:, None, None, :].expand(-1, 1, mask.shape[1], -1)


class _Embeddings(nn.Module):
    def __init__(self, settings: BertSettings) -> None:
        super().__init__()
        width = settings.hidden_size
        self.word_embeddings = EmptyEmbedding(
            settings.vocab_size, width, padding_idx=settings.pad_token_id
        )
        self.position_embeddings = EmptyEmbedding(settings.max_position_embeddings, width)
        self.token_type_embeddings = EmptyEmbedding(settings.type_vocab_size, width)
        self.LayerNorm = nn.LayerNorm(width, eps=settings.layer_norm_eps)
        self.dropout = nn.Dropout(settings.hidden_dropout_prob)

    def forward(self, ids: Tensor, positions: Tensor | None) -> Tensor:
        """Shape: ids, positions [W, L] -> [W, L, width]."""
        if positions is None:
            positions = torch.arange(ids.shape[1], device=ids.device)[None]
        words = self.word_embeddings(ids) + self.token_type_embeddings(torch.zeros_like(ids))
        normalised = self.LayerNorm(words + self.position_embeddings(positions))
        dropped: Tensor = self.dropout(normalised)
        return dropped


class _Projection(nn.Module):
    """A linear layer whose output is added to ``residual`` and normalised."""

    def __init__(self, inputs: int, settings: BertSettings) -> None:
        super().__init__()
        self.dense = EmptyLinear(inputs, settings.hidden_size)
        self.LayerNorm = nn.LayerNorm(settings.hidden_size, eps=settings.layer_norm_eps)
        self.dropout = nn.Dropout(settings.hidden_dropout_prob)

    def forward(self, hidden: Tensor, residual: Tensor) -> Tensor:
        """Shape: [W, L, inputs], [W, L, width] -> [W, L, width]."""
        normalised: Tensor = self.LayerNorm(self.dropout(self.dense(hidden)) + residual)
        return normalised


class _SelfAttention(nn.Module):
    def __init__(self, settings: BertSettings) -> None:
        super().__init__()
        width = settings.hidden_size
        self.head_width = width // settings.num_attention_heads
        self.rate = settings.attention_probs_dropout_prob
        self.query, self.key, self.value = (EmptyLinear(width, width) for _ in range(3))

    def forward(self, hidden: Tensor, mask: Tensor | None) -> Tensor:
        """Shape: [W, L, width], mask [W, 1, L, L] bool -> [W, L, width]."""
        query, key, value = (
            part(hidden).unflatten(-1, (-1, self.head_width)).transpose(1, 2)
            for part in (self.query, self.key, self.value)
        )
        rate = self.rate if self.training else 0.0
        scaling = self.head_width**-0.5
        return attention(self, query, key, value, mask, dropout=rate, scaling=scaling)[0].flatten(2)


class _Layer(nn.Module):
    def __init__(self, settings: BertSettings) -> None:
        super().__init__()
        self.attention = nn.Module()
        self.attention.self = _SelfAttention(settings)
        self.attention.output = _Projection(settings.hidden_size, settings)
        self.intermediate = nn.Module()
        self.intermediate.dense = EmptyLinear(settings.hidden_size, settings.intermediate_size)
        self.output = _Projection(settings.intermediate_size, settings)

    def forward(self, hidden: Tensor, mask: Tensor | None) -> Tensor:
        """Shape: [W, L, width], mask [W, 1, L, L] bool -> [W, L, width]."""
        attended = self.attention.output(self.attention.self(hidden, mask), hidden)  # type: ignore[operator]
        inner = functional.gelu(self.intermediate.dense(attended))  # type: ignore[operator]
        output: Tensor = self.output(inner, attended)
        return output
