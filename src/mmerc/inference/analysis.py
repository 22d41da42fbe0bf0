"""What an analysis of a recording comes to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mmerc.conversation import Modality
from mmerc.labels import LabelSet
from mmerc.prediction.predictions import UtterancePrediction


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """A timeline of emotions.

    ``recording`` is the file's name without its folder, ``duration`` in seconds (None where the
    file does not say); ``predictions`` ascend in time. ``absent`` holds for an utterance's id why a
    modality had no part in its prediction; ``remarks`` are what a reader must know of the whole
    (a recording unlike anything the model was trained on, an unknown language).
    """

    recording: str
    duration: float | None
    model: str
    labels: LabelSet
    predictions: tuple[UtterancePrediction, ...]
    absent: Mapping[str, Mapping[Modality, str]]
    remarks: tuple[str, ...] = ()
