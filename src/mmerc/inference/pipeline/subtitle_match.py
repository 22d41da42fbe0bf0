"""Check whether subtitles match the speech of a recording."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mmerc.conversation import Utterance
from mmerc.media.voice_activity import Span

_LITTLE, _NEARLY_ALL = 1 / 3, 0.9  # share of cue time with speech
_MIN_CORRELATION = 0.2


def matches_speech(utterances: Sequence[Utterance], spans: Sequence[Span]) -> bool:
    """Whether cues match the speech.

    [decided] True if nearly all cue time has speech, even if only some lines have subtitles; false
    if less than a third has speech (cues outlast their words, and actors whisper). In between,
    cues and speech must correlate over time. For the two example films the correlation is 0.91
    with their own subtitles, and -0.02 and 0.07 with each other's, although most of that time has
    speech too. Not measured on real films.
    """
    end = max([*(item.end or 0.0 for item in utterances), *(span.end for span in spans)])
    cued = _occupied([(item.start, item.end) for item in utterances], end)
    spoken = _occupied([(span.start, span.end) for span in spans], end)
    share = spoken[cued].mean() if cued.any() else 1.0
    if not _LITTLE <= share < _NEARLY_ALL:
        return bool(share >= _NEARLY_ALL)
    return bool(cued.all()) or float(np.corrcoef(cued, spoken)[0, 1]) >= _MIN_CORRELATION


def _occupied(times: Sequence[tuple[float | None, float | None]], end: float) -> NDArray[np.bool_]:
    """Mark the tenths of a second from 0 to ``end`` covered by the times. Shape: -> [T]."""
    occupied = np.zeros(round(end * 10), bool)
    for start, stop in times:
        if start is not None and stop is not None:
            occupied[round(start * 10) : round(stop * 10)] = True
    return occupied
