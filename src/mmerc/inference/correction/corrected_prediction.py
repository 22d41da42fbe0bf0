"""A prediction corrected by people."""

from __future__ import annotations

from dataclasses import dataclass

from mmerc.prediction.utterance_prediction import UtterancePrediction


@dataclass(frozen=True, slots=True, kw_only=True)
class CorrectedPrediction(UtterancePrediction):
    """A corrected utterance: ``label``, words, speaker and times are as corrected.

    ``predicted_label`` is the model's label; all other model outputs are unchanged. ``corrections``
    lists the changed fields and ``corrected_by`` the raters; both are empty if nothing changed.
    """

    predicted_label: str
    corrections: str = ""
    corrected_by: str = ""
