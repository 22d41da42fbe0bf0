"""The result of analysing a recording."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mmerc.conversation import Modality
from mmerc.labels import LabelSet
from mmerc.prediction.utterance_predictions import UtterancePrediction


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """The emotions of a recording over time.

    ``recording`` is the file's name without its folder; ``duration`` in seconds (None if the file
    does not give it). ``predictions`` are in order of time. ``absent`` gives, per utterance id, why
    a modality took no part in its prediction. ``remarks`` say where the analysis as a whole may be
    unreliable (a recording unlike the training data, an unknown language).
    """

    recording: str
    duration: float | None
    model: str
    labels: LabelSet
    predictions: tuple[UtterancePrediction, ...]
    absent: Mapping[str, Mapping[Modality, str]]
    remarks: tuple[str, ...] = ()
