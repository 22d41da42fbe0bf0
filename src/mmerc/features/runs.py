"""Runs of utterances that one process extracts one after another."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

_LONGEST = 8  # utterances; an interrupted extraction loses unfinished runs


def split_runs(films: Sequence[Path | None], *, processes: int) -> list[range]:
    """Split utterances, given by their films, into runs of neighbours in one film.

    A process decodes the film of a run without seeking: half as many frames if utterances are
    short. Runs become shorter towards the end, so that all processes finish at about the same time.
    An utterance without a film is a run.
    """
    runs = []
    start = 0
    while start < len(films):
        longest = max(1, min(_LONGEST, (len(films) - start) // (2 * processes)))
        end = start + 1
        while end < start + longest and films[start] is not None and films[end] == films[start]:
            end += 1
        runs.append(range(start, end))
        start = end
    return runs
