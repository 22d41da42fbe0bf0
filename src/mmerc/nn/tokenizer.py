"""Token ids of utterances, from the encoder's own tokenizer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from mmerc.errors import InputError
from mmerc.nn.bert_tokenizer import BertTokenizer, read_bert_tokenizer
from mmerc.nn.encoder_families import NAMES


class TextTokenizer:
    """Convert utterances into token ids without special tokens; provides the special ids.

    ``scope``: see ``TextEncoderConfig``. InputError if the tokenizer lacks a special token.
    """

    def __init__(
        self,
        folder: Path,
        *,
        max_length: int,
        scope: Literal["conversation", "utterance", "surrounding"] = "conversation",
    ) -> None:
        self.folder = folder
        self.tokenizer: Any = read_bert_tokenizer(folder) or _load_tokenizer(folder)
        self.max_length = max_length
        self.scope = scope
        self.longest = max_length - (4 if scope == "surrounding" else 2)  # without special tokens
        self.first_id = self._special_id("cls", folder)
        self.last_id = self._special_id("sep", folder)
        self.pad_id = self._special_id("pad", folder)
        self.encode(["a"], limit=1)  # applies the settings before several threads use it

    def _special_id(self, kind: str, folder: Path) -> int:
        token_id = getattr(self.tokenizer, f"{kind}_token_id")
        if token_id is None:
            problem = f"not a text encoder: its tokenizer has no {kind.upper()} token"
            raise InputError(folder, problem, f"use {NAMES}")
        return int(token_id)

    def encode(self, texts: Sequence[str], *, limit: int) -> list[list[int]]:
        """Tokenise each text to at most ``limit`` ids; none for a text without words."""
        if not texts:
            return []
        limit = min(limit, self.longest)
        if isinstance(self.tokenizer, BertTokenizer):
            return self.tokenizer.encode(texts, limit=limit)
        encoded = self.tokenizer(
            list(texts),
            add_special_tokens=False,
            split_special_tokens=True,  # treats "[SEP]" in a text as ordinary text
            verbose=False,  # texts are cut here: truncation would change the shared tokenizer
        )
        if self.tokenizer.truncation_side == "left":
            return [ids[-limit:] for ids in encoded["input_ids"]]
        return [ids[:limit] for ids in encoded["input_ids"]]

    def save(self, folder: Path) -> None:
        """Write the tokenizer's files."""
        plain = isinstance(self.tokenizer, BertTokenizer)
        tokenizer = _load_tokenizer(self.folder) if plain else self.tokenizer
        tokenizer.save_pretrained(str(folder))


def _load_tokenizer(folder: Path) -> Any:
    """Load a tokenizer with transformers."""
    from transformers import AutoTokenizer  # slow to import

    # RoBERTa's byte pairs include the preceding space; BERT's tokenizer ignores the option.
    return AutoTokenizer.from_pretrained(str(folder), add_prefix_space=True, local_files_only=True)
