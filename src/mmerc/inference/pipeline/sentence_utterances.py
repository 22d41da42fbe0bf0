"""Convert sentences to utterances, with marks for doubtful words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from mmerc.conversation import Utterance
from mmerc.inference.analysis import Marks
from mmerc.media.sentences import Sentence

_Places = tuple[tuple[int, int], ...]


def number_sentences(
    sentences: Iterable[Sentence], wordless: Iterable[Utterance] = ()
) -> tuple[tuple[Utterance, ...], dict[str, _Places]]:
    """Return utterances ``1``, ``2``, ... by start, and text spans of doubtful words by id.

    ``wordless``: utterances without recognised words, which are numbered with the others.
    """
    spoken: list[tuple[float, float, str, str, _Places]] = [
        (item.start, item.end, item.speaker, item.text, item.doubtful) for item in sentences
    ]
    spoken += [(u.start or 0.0, u.end or 0.0, u.speaker, u.text, ()) for u in wordless]
    utterances, doubtful = [], {}
    for number, (start, end, speaker, text, places) in enumerate(sorted(spoken), start=1):
        identifier = str(number)
        utterances.append(
            Utterance(id=identifier, speaker=speaker, text=text, start=start, end=end)
        )
        doubtful[identifier] = places
    return tuple(utterances), doubtful


def mark_utterances(
    utterances: Sequence[Utterance],
    overlaps: Mapping[str, float],
    doubtful: Mapping[str, _Places],
) -> dict[str, Marks]:
    """Return the marks of each utterance, by id."""
    return {
        item.id: Marks(overlap=overlaps.get(item.id), doubtful=doubtful.get(item.id, ()))
        for item in utterances
    }
