"""Which families of transformers models can encode text, and how each of them is run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mmerc.nn.attention import register_attention

ATTENTION_DROPOUT = ("attention_probs_dropout_prob", "attention_dropout")  # of all families


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderFamily:
    """How the models of one family read a row of tokens.

    ``packs``: the model takes a mask between the tokens of a row, and position ids that restart, so
    that utterances that share a row can be kept apart; otherwise each is run as a row of its own.
    ``shared_attention``: the model calls ``mmerc.nn.attention``, which takes Boolean masks;
    otherwise it has attention of its own, which adds masks to its scores.
    ``counts_from_padding``: the first position is the padding token's id + 1, as in RoBERTa;
    otherwise 0.
    """

    packs: bool = False
    shared_attention: bool = False
    counts_from_padding: bool = False

    @property
    def attention(self) -> str:
        """The implementation of attention to ask transformers for."""
        return register_attention() if self.shared_attention else "eager"

    def position_offset(self, settings: Any) -> int:
        """Position of a row's first token, for the configuration of a model."""
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
    # Its mask between tokens would also be multiplied with the embeddings of single tokens.
    "deberta-v2": EncoderFamily(),
    # Most of its layers attend within a distance, which a mask between tokens would replace.
    "modernbert": EncoderFamily(shared_attention=True),
}
NAMES = "BERT, RoBERTa, XLM-R, CamemBERT, ELECTRA, DistilBERT, MPNet, DeBERTa-v2 or ModernBERT"


def encoder_family(model_type: str) -> EncoderFamily:
    """Look up a family by transformers' name; one that is not known is run with least demands."""
    return _FAMILIES.get(model_type, EncoderFamily())


def is_supported(model_type: str) -> bool:
    """Whether the tests cover the family; ``check_encoder`` must accept any other."""
    return model_type in _FAMILIES
