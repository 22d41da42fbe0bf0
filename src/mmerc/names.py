"""Names of speakers and labels, as people see them."""

from __future__ import annotations

import unicodedata

_JOINERS = "\u200c\u200d"  # invisible, but part of Persian and Indic names


def tidy_name(name: str) -> str:
    """Return a speaker's name without differences that nobody sees.

    Composed letters (NFC) and single spaces; no direction marks, zero-width or control characters.
    """
    if name.isascii() and name.isprintable() and "  " not in name and name == name.strip():
        return name
    kept = (
        " " if sign.isspace() else sign
        for sign in unicodedata.normalize("NFC", name)
        if sign.isspace() or sign in _JOINERS or unicodedata.category(sign) not in ("Cc", "Cf")
    )
    return " ".join("".join(kept).split())
