"""Read the marks of utterances from the files of an analysis."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mmerc.inference.analysis import Marks


def read_marks(row: Mapping[str, Any], page_values: Mapping[str, Any]) -> Marks:
    """Read an utterance's marks from its ``row`` in a table and its ``page_values``.

    The page has the positions of doubtful words. Without it, the words are searched for in the
    text, in order, so a repeated word may be marked at an earlier occurrence. TypeError or
    ValueError for invalid marks.
    """
    text = str(row["text"])
    overlap = page_values.get("overlap", row.get("overlap"))
    if "doubtful" in page_values:
        places = [_from_utf16(text, place) for place in page_values["doubtful"]]
    else:
        words = row.get("doubtful_words") or []
        places = list(_locate(words.split() if isinstance(words, str) else words, text))
    label = page_values.get("doubt", row.get("doubtful_label"))
    return Marks(
        overlap=None if overlap in {None, ""} else float(overlap),
        doubtful=tuple(places),
        label=None if label in {None, ""} else str(label),
    )


def _from_utf16(text: str, place: Iterable[int]) -> tuple[int, int]:
    """Convert a text span from UTF-16 units, as in JavaScript."""
    units = text.encode("utf-16-le", "surrogatepass")
    start, end = (len(units[: 2 * i].decode("utf-16-le", "surrogatepass")) for i in place)
    return start, end


def _locate(words: Sequence[str], text: str) -> Iterable[tuple[int, int]]:
    """Find each word after the previous one; prefer whole words."""
    position = 0
    for word in words:
        whole = re.compile(rf"(?<!\S){re.escape(word)}(?!\S)").search(text, position)
        start = whole.start() if whole else text.find(word, position)
        if start >= 0 and word:
            position = start + len(word)
            yield start, position
