"""The result of analysing a recording."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from mmerc.conversation import Modality
from mmerc.labels import LabelSet
from mmerc.prediction.utterance_prediction import UtterancePrediction

NO_WORDS = "no words"


@dataclass(frozen=True, slots=True, kw_only=True)
class Marks:
    """Doubts about one utterance.

    ``overlap``: the share of its duration (0 to 1) during which another speaker talks; None if
    unknown. ``doubtful``: text spans (start, end) of words that the transcriber was unsure of.
    ``label``: why its label is doubtful; None if it is not.
    """

    overlap: float | None = None
    doubtful: tuple[tuple[int, int], ...] = ()
    label: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """The result for a recording: emotions over time.

    ``recording``: the file name without its folder. ``duration``: in seconds, None if the file does
    not state it. ``predictions``: in order of time. ``absent``: per utterance id, why a modality
    was not used. ``remarks``: why the analysis as a whole may be unreliable (a recording unlike the
    training data, an unknown language). ``marks``: doubts per utterance id. ``shortfalls``: one
    sentence for each part of the analysis that failed; what a recording does not contain is not a
    failure. ``set_level``: the probability (0 to 1) with which a prediction set contains the label;
    None without sets.
    """

    recording: str
    duration: float | None
    model: str
    labels: LabelSet
    predictions: tuple[UtterancePrediction, ...]
    absent: Mapping[str, Mapping[Modality, str]]
    remarks: tuple[str, ...] = ()
    shortfalls: tuple[str, ...] = ()
    marks: Mapping[str, Marks] = field(default_factory=dict)
    set_level: float | None = None


def mark_labels(
    predictions: Sequence[UtterancePrediction],
    absent: Mapping[str, Mapping[Modality, str]],
    marks: Mapping[str, Marks],
    *,
    reads_words: bool,
) -> dict[str, Marks]:
    """Mark labels as doubtful that a text model predicted without reliable words.

    [decided] Such a model decides mostly by words. Without words, or if at least half of them
    are probably wrong, accuracy is much lower (docs/analyze.md) at any label probability.
    """
    marked = dict(marks)
    for item in predictions if reads_words else ():
        mark = marked.get(item.id, Marks())
        reason = absent.get(item.id, {}).get("text")
        if reason is None and _are_mostly_doubtful(item.text, mark.doubtful):
            reason = "doubtful words"
        if reason is not None:
            marked[item.id] = replace(mark, label=reason)
    return marked


def _are_mostly_doubtful(text: str, doubtful: Sequence[tuple[int, int]]) -> bool:
    """Return whether doubtful words are at least half of a text, by characters without spaces."""
    characters = sum(len("".join(text[start:end].split())) for start, end in doubtful)
    return characters > 0 and 2 * characters >= len("".join(text.split()))


def add_shortfall(analysis: Analysis, sentence: str) -> Analysis:
    """Return the analysis with an additional shortfall, which is also a remark."""
    return replace(
        analysis,
        remarks=(*analysis.remarks, sentence),
        shortfalls=(*analysis.shortfalls, sentence),
    )
