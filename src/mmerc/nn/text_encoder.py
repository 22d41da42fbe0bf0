"""A pre-trained language model that reads whole conversations and pools its utterances."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel

from mmerc.errors import InputError
from mmerc.nn.attention import register_attention
from mmerc.nn.dropout import FastDropout, use_fast_dropout
from mmerc.nn.encoder_sources import load_backbone, resolve_encoder
from mmerc.nn.encoder_tuning import Tuning, tuned
from mmerc.nn.tokenizer import POSITION_OFFSET, TextTokenizer

Scope = Literal["conversation", "utterance", "surrounding"]


class TextEncoderConfig(BaseModel):
    """How text is read (DF-ERC, Eq. 1 and Sec. 4.1, by default).

    ``scope``: Eq. 1 has every word attend to the whole conversation; with "utterance" each is read
    by itself, as sentence encoders were trained to, and context comes in behind the encoder alone;
    with "surrounding" each is read between what precedes and what follows it, as much as fits, and
    the first token stands for it (MultiEMO, Sec. 3.3.1), at the cost of a whole text an utterance.
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
    """Eq. 1: run the language model over token windows, average each utterance's pooled tokens.

    Attention dropout is off unless asked for: it keeps scaled-dot-product attention off its fused
    path, at several times the cost. All other dropout of the language model stays.
    """

    def __init__(self, backbone: Any, folder: Path, config: TextEncoderConfig) -> None:
        super().__init__()
        settings = backbone.config
        self.offset = POSITION_OFFSET.get(settings.model_type, 0)
        longest = min(config.max_length, settings.max_position_embeddings - self.offset)
        self.config = config
        self.width = int(settings.hidden_size)
        self.tokenizer = TextTokenizer(folder, max_length=longest, scope=config.scope)
        self.dropout = FastDropout(config.dropout)
        use_fast_dropout(backbone)
        self.backbone = tuned(without_pooler(backbone), config.tuning, rank=config.lora_rank)

    @classmethod
    def from_source(cls, config: TextEncoderConfig) -> TextEncoder:
        """Load the pre-trained weights that ``config.name`` means; InputError for other models."""
        folder = resolve_encoder(config.name)
        backbone = load_backbone(folder, text_settings(folder, config))
        return cls(backbone.train(), folder, config)  # it comes in evaluation mode

    @classmethod
    def from_folder(cls, folder: Path, config: TextEncoderConfig) -> TextEncoder:
        """Rebuild the architecture that ``save`` described; the weights come with the model."""
        return cls(AutoModel.from_config(backbone_config(folder, config)), folder, config)

    def save(self, folder: Path) -> None:
        """Write architecture and tokenizer (weights are saved with the whole model)."""
        folder.mkdir(parents=True, exist_ok=True)
        settings = json.loads(self.backbone.config.to_json_string())
        settings.pop("_name_or_path", None)
        (folder / "config.json").write_text(json.dumps(settings, indent=2), encoding="utf-8")
        self.tokenizer.save(folder)

    def merge_adapters(self) -> None:
        """Add LoRA's matrices to the weights: for prediction alone, which it makes faster."""
        if self.config.tuning == "lora":
            self.backbone = self.backbone.merge_and_unload()

    def forward(
        self, token_ids: Tensor, attention_mask: Tensor, pool_into: Tensor, *, utterances: int
    ) -> Tensor:
        """Shape: token_ids, attention_mask (bool), pool_into [W, L] -> [utterances, width].

        ``pool_into`` numbers the utterance of each token; ``utterances`` itself means none.
        An utterance without tokens comes out as zeros.
        """
        seen, places = attention_mask, None
        if self.config.scope == "utterance":
            seen, places = apart(pool_into)
            places = places + self.offset
        states = self.backbone(
            input_ids=token_ids, attention_mask=seen, position_ids=places
        ).last_hidden_state
        pooled = mean_by_index(states.flatten(0, 1), pool_into.flatten(), utterances)
        dropped: Tensor = self.dropout(pooled)
        return dropped


def apart(utterance: Tensor) -> tuple[Tensor, Tensor]:
    """What each token attends to, and its place, where every utterance is read by itself.

    Shape: utterance [W, L] int, equal numbers side by side -> [W, 1, L, L] bool, [W, L].
    """
    same = utterance[:, None, :, None] == utterance[:, None, None, :]
    begins = torch.ones_like(utterance, dtype=torch.bool)
    begins[:, 1:] = utterance[:, 1:] != utterance[:, :-1]
    place = torch.arange(utterance.shape[1], device=utterance.device).expand_as(utterance)
    start = torch.where(begins, place, 0).cummax(dim=1).values
    return same, place - start


def mean_by_index(states: Tensor, index: Tensor, groups: int) -> Tensor:
    """Mean of the rows of each group; index ``groups`` is left out.

    Shape: states [T, D], index [T] -> [groups, D].
    """
    total = states.new_zeros(groups + 1, states.shape[1], dtype=torch.float32)
    total = total.index_add(0, index, states.float())
    count = torch.zeros(groups + 1, device=states.device).index_add(
        0, index, torch.ones(len(index), device=states.device)
    )
    return total[:groups] / count[:groups, None].clamp(min=1)


def text_settings(folder: Path, config: TextEncoderConfig) -> Any:
    """Configuration of a text encoder; InputError where it is that of another kind of model."""
    settings = backbone_config(folder, config)
    if not hasattr(settings, "max_position_embeddings"):
        problem = f"a model of the kind {settings.model_type!r}, not a text encoder"
        raise InputError(folder, problem, "give one of the kinds of BERT or RoBERTa")
    return settings


def backbone_config(folder: Path, config: TextEncoderConfig) -> Any:
    """The language model's configuration with our attention settings."""
    return AutoConfig.from_pretrained(
        str(folder),
        local_files_only=True,
        attention_probs_dropout_prob=config.attention_dropout,
        attn_implementation=register_attention(),
    )


def without_pooler(backbone: Any) -> Any:
    """Utterances are pooled here; the language model's own pooler would never be used."""
    if hasattr(backbone, "pooler"):
        backbone.pooler = None
    return backbone
