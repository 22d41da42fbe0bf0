"""Published corpora lack some of their own files: say which, so that nobody has to find out."""

from __future__ import annotations

from collections.abc import Sequence

MOST_NAMES = 10


def missing_note(what: str, missing: Sequence[str], *, total: int) -> tuple[str, ...]:
    """One sentence about the utterances without ``what``; none where none lacks it or all do.

    A corpus of which nobody has the media at all is a corpus of text, and no cause for a remark.
    """
    if not 0 < len(missing) < total:
        return ()
    rest = len(missing) - MOST_NAMES
    names = ", ".join(missing[:MOST_NAMES]) + (f" and {rest} more" if rest > 0 else "")
    return (f"No {what} for {len(missing)} of {total} utterances, which stay without: {names}.",)
