"""Spoken languages: codes, names, and which one is spoken most."""

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
ENGLISH = "en"


def language_code(language: str | None) -> str | None:
    """The code of a language given by code or English name: "en-GB" and "English" are "en"."""
    if language is None or not language.strip():
        return None
    code = language.strip().lower().replace("_", "-").partition("-")[0]
    return next((key for key, name in _NAMES.items() if name.lower() == code), code)


def language_name(code: str) -> str:
    """The English name of a language; the code itself if it is a rare one."""
    return _NAMES.get(code, code)


def share_languages(spoken: Iterable[tuple[str | None, float]]) -> dict[str, float]:
    """The share of each language of the time spoken, the largest first.

    ``spoken``: languages, None where unknown, and seconds.
    """
    seconds: dict[str, float] = {}
    for language, length in spoken:
        if language is not None:
            seconds[language] = seconds.get(language, 0.0) + length
    total = sum(seconds.values())
    ranked = sorted(seconds, key=lambda language: -seconds[language])
    return {language: seconds[language] / total for language in ranked} if total > 0 else {}
