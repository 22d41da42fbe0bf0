"""The result of analysing a recording."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from mmerc.conversation import Modality
from mmerc.labels import LabelSet
from mmerc.prediction.utterance_prediction import UtterancePrediction


@dataclass(frozen=True, slots=True, kw_only=True)
class Marks:
    """What is doubtful about one utterance.

    ``overlap``: the share of its length (0 to 1) during which another speaker talks; None if
    unknown. ``doubtful``: the places (start, end) in its text of words that the transcriber was not
    sure of.
    """

    overlap: float | None = None
    doubtful: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """The emotions of a recording over time.

    ``recording`` is the file's name without its folder; ``duration`` in seconds (None if the file
    does not give it). ``predictions`` are in order of time. ``absent`` gives, per utterance id, why
    a modality was not used in its prediction. ``remarks`` say where the analysis as a whole may be
    unreliable (a recording unlike the training data, an unknown language). ``marks`` say, per
    utterance id, what is doubtful about it. ``shortfalls``: one sentence per part of the analysis
    that could not be done, as distinct from what the recording does not have.
    ``set_level``: the probability (0 to 1) with which a
    prediction set contains the label; None without sets.
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
