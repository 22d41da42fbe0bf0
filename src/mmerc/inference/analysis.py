"""The result of analysing a recording."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from mmerc.conversation import Modality
from mmerc.labels import LabelSet
from mmerc.prediction.utterance_prediction import UtterancePrediction


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
) -> dict[str, Marks]:
    """The marks, with doubt about the labels that were predicted without words, by a model that
    takes words.

    [decided] Such a model decides mostly by words. Without them it is right far less often
    (docs/results.md), so the most probable label is a weak guess, however probable it is.
    """
    marked = dict(marks)
    for item in predictions:
        reason = absent.get(item.id, {}).get("text") if "text" in item.effects else None
        if reason is not None:
            marked[item.id] = replace(marked.get(item.id, Marks()), label=reason)
    return marked
