"""Spoken languages: codes, names and shares of time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "ar": "Arabic", "bn": "Bengali", "cs": "Czech", "da": "Danish", "de": "German",
        "el": "Greek", "en": "English", "es": "Spanish", "fa": "Persian", "fi": "Finnish",
        "fr": "French", "he": "Hebrew", "hi": "Hindi", "hu": "Hungarian", "id": "Indonesian",
        "it": "Italian", "ja": "Japanese", "ko": "Korean", "nl": "Dutch", "no": "Norwegian",
        "pl": "Polish", "pt": "Portuguese", "ro": "Romanian", "ru": "Russian", "sv": "Swedish",
        "ta": "Tamil", "th": "Thai", "tr": "Turkish", "uk": "Ukrainian", "ur": "Urdu",
        "vi": "Vietnamese", "zh": "Chinese",
    }
)  # fmt: skip
_THREE_LETTERS: Mapping[str, str] = MappingProxyType(  # ISO 639-2, as used in films
    {
        "ara": "ar", "ben": "bn", "ces": "cs", "chi": "zh", "cze": "cs", "dan": "da", "deu": "de",
        "dut": "nl", "ell": "el", "eng": "en", "fas": "fa", "fin": "fi", "fra": "fr", "fre": "fr",
        "ger": "de", "gre": "el", "heb": "he", "hin": "hi", "hun": "hu", "ind": "id", "ita": "it",
        "jpn": "ja", "kor": "ko", "nld": "nl", "nor": "no", "per": "fa", "pol": "pl", "por": "pt",
        "ron": "ro", "rum": "ro", "rus": "ru", "spa": "es", "swe": "sv", "tam": "ta", "tha": "th",
        "tur": "tr", "ukr": "uk", "urd": "ur", "vie": "vi", "zho": "zh",
    }
)  # fmt: skip
ENGLISH = "en"


def language_code(language: str | None) -> str | None:
    """Return the code of a language: "en" for "en-GB", "eng" and "English"."""
    if language is None or not language.strip():
        return None
    code = language.strip().lower().replace("_", "-").partition("-")[0]
    code = _THREE_LETTERS.get(code, code)
    return next((key for key, name in _NAMES.items() if name.lower() == code), code)


def language_name(code: str) -> str:
    """Return the English name of a language; the code itself for rare ones."""
    return _NAMES.get(code, code)


def share_languages(spoken: Iterable[tuple[str | None, float]]) -> dict[str, float]:
    """Return each language's share of the speaking time, largest first.

    ``spoken``: languages, None if unknown, and seconds.
    """
    seconds: dict[str, float] = {}
    for language, length in spoken:
        if language is not None:
            seconds[language] = seconds.get(language, 0.0) + length
    total = sum(seconds.values())
    ranked = sorted(seconds, key=lambda language: -seconds[language])
    return {language: seconds[language] / total for language in ranked} if total > 0 else {}
