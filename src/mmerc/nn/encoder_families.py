"""Families of transformers models that can encode text, and how to run each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mmerc.nn.attention import register_attention

ATTENTION_DROPOUT = ("attention_probs_dropout_prob", "attention_dropout")  # in any family


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderFamily:
    """How models of one family read a row of tokens.

    ``packs``: the model accepts a token-to-token mask and restarting position ids, so several
    utterances can share a row; otherwise each utterance gets its own row.
    ``shared_attention``: the model calls ``mmerc.nn.attention``, which takes Boolean masks;
    otherwise its own attention adds masks to the scores.
    ``counts_from_padding``: the first position is the padding token's id + 1, as in RoBERTa;
    otherwise 0.
    """

    packs: bool = False
    shared_attention: bool = False
    counts_from_padding: bool = False

    @property
    def attention(self) -> str:
        """The attention implementation to request from transformers."""
        return register_attention() if self.shared_attention else "eager"

    def position_offset(self, settings: Any) -> int:
        """Position of a row's first token, given the model's configuration."""
        return int(settings.pad_token_id) + 1 if self.counts_from_padding else 0


_BERT = EncoderFamily(packs=True, shared_attention=True)
_ROBERTA = EncoderFamily(packs=True, shared_attention=True, counts_from_padding=True)
_FAMILIES = {
    "bert": _BERT,
    "roberta": _ROBERTA,
    "xlm-roberta": _ROBERTA,
    "camembert": _ROBERTA,
    "electra": _BERT,
    "distilbert": _BERT,
    "mpnet": EncoderFamily(packs=True, counts_from_padding=True),
    # It would also multiply a token-to-token mask with the token embeddings.
    "deberta-v2": EncoderFamily(),
    # Most of its layers use local attention, which a token-to-token mask would replace.
    "modernbert": EncoderFamily(shared_attention=True),
}
NAMES = "BERT, RoBERTa, XLM-R, CamemBERT, ELECTRA, DistilBERT, MPNet, DeBERTa-v2 or ModernBERT"


def encoder_family(model_type: str) -> EncoderFamily:
    """Look up a family by transformers' name; an unknown one gets the safest settings."""
    return _FAMILIES.get(model_type, EncoderFamily())


def is_supported(model_type: str) -> bool:
    """Whether the tests cover the family; others must pass ``check_encoder``."""
    return model_type in _FAMILIES
