"""Remarks on speakers that may be one person, because their names differ only in case."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from mmerc.media.line_remarks import enumerate_some


def similar_name_remarks(file: str, speakers: Iterable[str]) -> tuple[str, ...]:
    """Remark on names of ``speakers`` (``MARA``, ``Mara``) that differ only in case."""
    spelled: defaultdict[str, list[str]] = defaultdict(list)
    for name in dict.fromkeys(speakers):
        spelled[name.casefold()].append(name)
    similar = [enumerate_some(map(repr, names)) for names in spelled.values() if len(names) > 1]
    if not similar:
        return ()
    listed = "; ".join(similar[:3])
    return (f"{file}: speakers whose names differ only in case are different people: {listed}.",)
