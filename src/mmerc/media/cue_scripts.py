"""Recognise subtitles whose cues have lines in two scripts, as in two languages."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cache

_SHARE = 0.8  # of a line's letters, to be in one script
_EAST_ASIAN = "Chinese or Japanese"
# First words of Unicode's names of letters; Japanese mixes three scripts.
_SCRIPTS: Mapping[str, str] = {
    **dict.fromkeys(("CJK", "HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA"), _EAST_ASIAN),
    "LATIN": "Latin", "CYRILLIC": "Cyrillic", "GREEK": "Greek", "ARABIC": "Arabic",
    "HEBREW": "Hebrew", "HANGUL": "Korean", "DEVANAGARI": "Devanagari", "BENGALI": "Bengali",
    "TAMIL": "Tamil", "TELUGU": "Telugu", "THAI": "Thai", "GEORGIAN": "Georgian",
    "ARMENIAN": "Armenian",
}  # fmt: skip


def find_two_scripts(cues: Iterable[Sequence[str]]) -> tuple[str, str] | None:
    """Return the two scripts in which most cues have lines; None if most do not.

    ``cues``: the lines of each cue; those without letters are not counted.
    """
    pairs: Counter[tuple[str, str]] = Counter()
    spoken = 0
    for lines in cues:
        scripts = sorted({script for line in lines if (script := _script(line)) is not None})
        spoken += bool(scripts)
        if len(scripts) == 2:
            pairs[scripts[0], scripts[1]] += 1
    if not pairs:
        return None
    pair, count = pairs.most_common(1)[0]
    return pair if count > 2 and 2 * count > spoken else None


def _script(line: str) -> str | None:
    """Return the script of nearly all letters of a line; None for mixed lines and others."""
    if line.isascii():
        return "Latin" if any(map(str.isalpha, line)) else None
    counts = Counter(_script_of(sign) for sign in line if sign.isalpha())
    if not counts:
        return None
    script, count = counts.most_common(1)[0]
    return script if count >= _SHARE * counts.total() else None


@cache
def _script_of(letter: str) -> str | None:
    """Return the script of a letter; None for rare ones."""
    return _SCRIPTS.get(unicodedata.name(letter, "").partition(" ")[0])
