"""Remarks on missing files of a published corpus."""

from __future__ import annotations

from collections.abc import Sequence

_MOST_NAMES = 10


def missing_note(what: str, missing: Sequence[str], *, total: int) -> tuple[str, ...]:
    """Return a remark on utterances without ``what``; none if all or no utterances have it.

    A corpus without any media is a text corpus and needs no remark.
    """
    if not 0 < len(missing) < total:
        return ()
    rest = len(missing) - _MOST_NAMES
    names = ", ".join(missing[:_MOST_NAMES]) + (f" and {rest} more" if rest > 0 else "")
    return (f"No {what} for {len(missing)} of {total} utterances: {names}.",)
