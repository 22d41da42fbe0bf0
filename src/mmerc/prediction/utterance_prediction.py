"""The prediction of one utterance. Does not import torch, so that reading predictions is fast."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from mmerc.conversation import Modality


@dataclass(frozen=True, slots=True, kw_only=True)
class UtterancePrediction:
    """The predicted emotion of one utterance; ``start`` and ``end`` in seconds, None if unknown.

    ``probabilities`` maps every label of the model to its probability (0 to 1, summing to 1).

    Reported by the model: ``weights``, how much each modality counted (for DF-ERC the estimated
    probability that the modality alone is right, 0 to 1 each, not summing to 1); ``similarity``,
    the agreement of the modalities (psi, -1 to 1); ``context_weight``, how much context was used;
    ``layer_weights``, for models with layer-wise fusion, the weight of a modality in each layer
    ("audio.1" is the lowest). None if absent or not provided.

    Measured for any model by leaving inputs out: ``effects`` of each modality and
    ``context_effect``, the decrease of the predicted emotion's probability (-1 to 1; below 0 if it
    grows). None if the modality is absent or nothing would remain. ``left_out``: whether a
    present modality has less than half of the weight, because it contradicts the others throughout.

    If prediction sets were requested (else None): ``emotions``, the set that contains the
    utterance's label with the chosen probability, most probable label first; ``unsure``, true if
    the set is too large or no modality is available (``mmerc.prediction.prediction_sets``).
    """

    conversation: str
    id: str
    speaker: str
    text: str
    start: float | None
    end: float | None
    label: str
    probabilities: Mapping[str, float]
    weights: Mapping[Modality, float | None]
    similarity: float | None
    context_weight: float | None
    effects: Mapping[Modality, float | None]
    context_effect: float | None
    layer_weights: Mapping[str, float | None] = field(default_factory=dict)
    left_out: Mapping[Modality, bool] = field(default_factory=dict)
    emotions: tuple[str, ...] | None = None
    unsure: bool | None = None
