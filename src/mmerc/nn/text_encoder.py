"""A pre-trained language model that reads conversations and pools each utterance's tokens."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from mmerc.errors import InputError
from mmerc.nn.bert import Bert, read_bert_settings
from mmerc.nn.dropout import FastDropout, use_fast_dropout
from mmerc.nn.encoder_check import check_encoder
from mmerc.nn.encoder_families import ATTENTION_DROPOUT, NAMES, encoder_family
from mmerc.nn.encoder_sources import load_backbone, resolve_encoder
from mmerc.nn.encoder_tuning import Tuning, apply_tuning
from mmerc.nn.lora import AdaptedModel
from mmerc.nn.padding import ROW_STEP, round_up
from mmerc.nn.tokenizer import TextTokenizer

Scope = Literal["conversation", "utterance", "surrounding"]


class TextEncoderConfig(BaseModel):
    """Settings of the text encoder; defaults are DF-ERC's (Eq. 1 and Sec. 4.1).

    ``name``: a folder, "minilm-l6", or a Hugging Face Hub name.
    ``scope`` "conversation": every token attends to the whole conversation (Eq. 1).
    ``scope`` "utterance": each utterance is read separately, as sentence encoders were trained;
    context enters only after the encoder.
    ``scope`` "surrounding": each utterance is read with as much of the surrounding text as fits,
    and represented by its first token (MultiEMO, Sec. 3.3.1); costs a whole text per utterance.
    ``utterance_tokens`` and ``max_length`` limit the tokens of an utterance and of a row.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = "minilm-l6"
    tuning: Tuning = "full"
    lora_rank: int = Field(default=16, ge=1)
    dropout: float = Field(default=0.2, ge=0, lt=1)
    attention_dropout: float = Field(default=0.0, ge=0, lt=1)
    utterance_tokens: int = Field(default=256, ge=1)
    max_length: int = Field(default=512, ge=8)
    speaker_prefix: bool = False
    scope: Scope = "conversation"


class TextEncoder(nn.Module):
    """Run the language model over token windows and average each utterance's tokens (Eq. 1).

    Attention dropout is off by default: it rules out the fused attention kernel, which is several
    times faster. The language model's other dropout is kept.
    """

    def __init__(self, backbone: Any, folder: Path, config: TextEncoderConfig) -> None:
        super().__init__()
        settings = backbone.config
        self.family = encoder_family(settings.model_type)
        self.offset = self.family.position_offset(settings)
        longest = min(config.max_length, settings.max_position_embeddings - self.offset)
        self.config = config
        self.width = int(settings.hidden_size)
        self.tokenizer = TextTokenizer(folder, max_length=longest, scope=config.scope)
        self.dropout = FastDropout(config.dropout)
        use_fast_dropout(backbone)
        if isinstance(backbone, Bert) and config.tuning == "lora":
            self.backbone: Any = AdaptedModel(backbone, rank=config.lora_rank)
            return
        self.backbone = apply_tuning(
            _without_pooler(backbone), config.tuning, rank=config.lora_rank
        )

    @classmethod
    def from_source(cls, config: TextEncoderConfig, *, to_train: bool = True) -> TextEncoder:
        """Load the pre-trained weights of ``config.name``.

        Without ``to_train``, a BERT is loaded without transformers, which is much faster.
        InputError unless they belong to a text encoder that keeps utterances apart.
        """
        folder = resolve_encoder(config.name)
        plain = None if to_train else _load_bert(folder, config)
        if plain is not None:
            return cls(plain, folder, config)
        backbone = load_backbone(folder, _text_settings(folder, config))
        encoder = cls(backbone.train(), folder, config)  # loaded in evaluation mode
        check_encoder(encoder, folder)
        return encoder

    @classmethod
    def from_folder(cls, folder: Path, config: TextEncoderConfig) -> TextEncoder:
        """Rebuild the architecture written by ``save``; the weights are loaded with the model."""
        settings = read_bert_settings(folder, attention_dropout=config.attention_dropout)
        if settings is not None:
            return cls(Bert(settings), folder, config)
        from transformers import AutoModel

        return cls(AutoModel.from_config(_backbone_config(folder, config)), folder, config)

    def save(self, folder: Path) -> None:
        """Write architecture and tokenizer (weights are saved with the whole model)."""
        folder.mkdir(parents=True, exist_ok=True)
        settings = json.loads(self.backbone.config.to_json_string())
        settings.pop("_name_or_path", None)
        (folder / "config.json").write_text(json.dumps(settings, indent=2), encoding="utf-8")
        self.tokenizer.save(folder)

    def merge_adapters(self) -> None:
        """Merge LoRA into the weights, for faster prediction; not for training."""
        if self.config.tuning == "lora":
            self.backbone = self.backbone.merge_and_unload()

    def forward(
        self, token_ids: Tensor, attention_mask: Tensor, pool_into: Tensor, *, utterances: int
    ) -> Tensor:
        """Encode windows of tokens into one vector per utterance.

        ``pool_into`` is each token's utterance index, or ``utterances`` for tokens without one.
        An utterance without tokens gets zeros.

        Shape: token_ids, attention_mask (bool), pool_into [W, L] -> [utterances, width].
        """
        mask, positions = attention_mask, None
        if self.config.scope == "utterance" and self.family.packs:
            mask, positions = _block_mask(pool_into)
            positions = positions + self.offset
        elif self.config.scope == "utterance":
            token_ids, mask, pool_into = _split_rows(
                token_ids, pool_into, pad_id=self.tokenizer.pad_id, none=utterances
            )
        if positions is None and self.training:  # prediction uses few shapes (window_encoding)
            states, pool_into = self.read_rows(token_ids, mask, pool_into)
        else:
            states = self.read_layers(token_ids, mask, positions=positions)[-1].flatten(0, 1)
        pooled = _mean_by_index(states, pool_into.flatten(), utterances)
        dropped: Tensor = self.dropout(pooled)
        return dropped

    def read_rows(
        self, token_ids: Tensor, attention_mask: Tensor, pool_into: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Read rows in groups of similar length, which limits padding.

        Shape: [W, L] each, attention_mask bool -> states [T, width] and the utterance of each [T].
        """
        states, owners = [], []
        for rows, length in _similar_rows(attention_mask.sum(-1).tolist()):
            ids, mask = token_ids[rows, :length], attention_mask[rows, :length]
            states.append(self.read_layers(ids, mask)[-1].flatten(0, 1))
            owners.append(pool_into[rows, :length].flatten())
        return torch.cat(states), torch.cat(owners)

    def read_layers(
        self,
        token_ids: Tensor,
        mask: Tensor,
        *,
        positions: Tensor | None = None,
        every_layer: bool = False,
    ) -> tuple[Tensor, ...]:
        """Run the language model; return the states of its last layer, or of every layer.

        Shape: token_ids and positions [W, L], mask [W, L] or [W, 1, L, L] bool -> [W, L, width]
        each.
        """
        if not self.family.shared_attention:
            mask = mask.long() if mask.ndim == 2 else _additive_mask(mask)
        output = self.backbone(
            input_ids=token_ids,
            attention_mask=mask,
            position_ids=positions,
            output_hidden_states=every_layer,
        )
        return tuple(output.hidden_states[1:]) if every_layer else (output.last_hidden_state,)


def _split_rows(
    token_ids: Tensor, pool_into: Tensor, *, pad_id: int, none: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Put each utterance of packed rows in its own row: token ids, mask, utterance per token.

    ``none`` marks padding; rows without an utterance stay one row.

    Shape: token_ids, pool_into [W, L] -> [U, l], [U, l] bool, [U, l]; U utterances of l tokens.
    """
    pooled = pool_into != none
    counts = torch.unique_consecutive(pool_into[pooled], return_counts=True)[1].tolist()
    if not counts:
        return token_ids, torch.ones_like(pooled), pool_into
    ids = pad_sequence(list(token_ids[pooled].split_with_sizes(counts)), True, pad_id)
    owners = pad_sequence(list(pool_into[pooled].split_with_sizes(counts)), True, none)
    return ids, owners != none, owners


def _similar_rows(lengths: Sequence[int]) -> Iterator[tuple[list[int], int]]:
    """Group rows with at most an eighth of padding each; yield each group and its length.

    Groups are padded like the rows of a batch (``mmerc.data.text_windows``).
    """
    order = sorted(range(len(lengths)), key=lambda row: -lengths[row])
    start = 0
    for end in range(1, len(order) + 1):
        longest = lengths[order[start]]
        if end == len(order) or lengths[order[end]] < 0.875 * longest:
            yield order[start:end], round_up(longest, ROW_STEP)
            start = end


def _block_mask(utterance: Tensor) -> tuple[Tensor, Tensor]:
    """Build the attention mask and positions that keep utterances apart.

    Shape: utterance [W, L] int, equal numbers adjacent -> [W, 1, L, L] bool, [W, L].
    """
    same = utterance[:, None, :, None] == utterance[:, None, None, :]
    starts = torch.ones_like(utterance, dtype=torch.bool)
    starts[:, 1:] = utterance[:, 1:] != utterance[:, :-1]
    column = torch.arange(utterance.shape[1], device=utterance.device).expand_as(utterance)
    first = torch.where(starts, column, 0).cummax(dim=1).values
    return same, column - first


def _additive_mask(mask: Tensor) -> Tensor:
    """Convert a Boolean mask to an additive one. Shape: [...] bool -> [...]."""
    zeros = torch.zeros(mask.shape, device=mask.device)
    return zeros.masked_fill(~mask, torch.finfo(zeros.dtype).min)


def _mean_by_index(states: Tensor, index: Tensor, groups: int) -> Tensor:
    """Average the rows of each group in float32; rows with index ``groups`` are ignored.

    Shape: states [T, D], index [T] -> [groups, D].
    """
    total = states.new_zeros(groups + 1, states.shape[1], dtype=torch.float32)
    total = total.index_add(0, index, states.float())
    count = torch.zeros(groups + 1, device=states.device).index_add(
        0, index, torch.ones(len(index), device=states.device)
    )
    return total[:groups] / count[:groups, None].clamp(min=1)


def _text_settings(folder: Path, config: TextEncoderConfig) -> Any:
    """Read the configuration of a text encoder; InputError for another kind of model."""
    settings = _backbone_config(folder, config)
    if getattr(settings, "max_position_embeddings", 0) < 1 or not hasattr(settings, "hidden_size"):
        problem = f"a model of the kind {settings.model_type!r}, not a text encoder"
        raise InputError(folder, problem, f"use {NAMES}")
    return settings


def _load_bert(folder: Path, config: TextEncoderConfig) -> Bert | None:
    """Load a plain BERT without transformers; None for any other model."""
    settings = read_bert_settings(folder, attention_dropout=config.attention_dropout)
    return None if settings is None else Bert.load(folder, settings)


def _backbone_config(folder: Path, config: TextEncoderConfig) -> Any:
    """Read the language model's configuration and apply our attention settings."""
    from transformers import AutoConfig

    settings = AutoConfig.from_pretrained(str(folder), local_files_only=True)
    for name in ATTENTION_DROPOUT:
        if hasattr(settings, name):
            setattr(settings, name, config.attention_dropout)
    settings._attn_implementation = encoder_family(settings.model_type).attention
    return settings


def _without_pooler(backbone: Any) -> Any:
    """Remove the language model's own pooler: utterances are pooled here."""
    if hasattr(backbone, "pooler"):
        backbone.pooler = None
    return backbone
