"""BERT's tokenizer without transformers, if transformers would give the same results."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

_CLASSES = {"BertTokenizer", "BertTokenizerFast"}
_SPECIAL = {f"{kind}_token": f"[{kind.upper()}]" for kind in ("unk", "sep", "pad", "cls", "mask")}
_PLAIN = {"special": True, "single_word": False, "lstrip": False, "rstrip": False}


class BertTokenizer:
    """A plain BERT's ``tokenizer.json``; gives the same results as transformers' tokenizer."""

    def __init__(self, path: Path) -> None:
        from tokenizers import Tokenizer

        self._tokenizer: Any = Tokenizer.from_file(str(path))
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        self._tokenizer.encode_special_tokens = True  # treats "[SEP]" in a text as ordinary text
        for name, token in _SPECIAL.items():
            setattr(self, f"{name}_id", self._tokenizer.token_to_id(token))

    def __len__(self) -> int:
        return int(self._tokenizer.get_vocab_size())

    def encode(self, texts: Sequence[str], *, limit: int) -> list[list[int]]:
        """Return up to ``limit`` ids per text, without special tokens."""
        encoded = self._tokenizer.encode_batch(list(texts), add_special_tokens=False)
        return [encoding.ids[:limit] for encoding in encoded]


def read_bert_tokenizer(folder: Path) -> BertTokenizer | None:
    """Read a folder's tokenizer; None unless it is a plain BERT's in every setting."""
    path = folder / "tokenizer.json"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        settings = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
        plain = _is_plain(content, settings)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return BertTokenizer(path) if plain else None


def _is_plain(content: Mapping[str, Any], settings: Mapping[str, Any]) -> bool:
    """Whether transformers would build the same tokenizer from the settings."""
    model = content["model"]
    tokens = content["added_tokens"]
    return (
        settings.get("tokenizer_class") in _CLASSES
        and all(settings.get(name, token) == token for name, token in _SPECIAL.items())
        and settings.get("truncation_side", "right") == "right"
        and not settings.get("additional_special_tokens")
        and not settings.get("extra_special_tokens")
        and content["pre_tokenizer"] == {"type": "BertPreTokenizer"}
        and content["normalizer"] == _expected_normaliser(settings)
        and model["type"] == "WordPiece"
        and model["unk_token"] == _SPECIAL["unk_token"]
        and model["continuing_subword_prefix"] == "##"
        and model["max_input_chars_per_word"] == 100
        and {token["content"] for token in tokens} == set(_SPECIAL.values())
        and all(token.items() >= _PLAIN.items() for token in tokens)
        and all(model["vocab"].get(token["content"]) == token["id"] for token in tokens)
    )


def _expected_normaliser(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The normaliser that transformers builds from the settings."""
    return {
        "type": "BertNormalizer",
        "clean_text": True,
        "handle_chinese_chars": settings.get("tokenize_chinese_chars", True),
        "strip_accents": settings.get("strip_accents"),
        "lowercase": settings.get("do_lower_case", True),
    }
