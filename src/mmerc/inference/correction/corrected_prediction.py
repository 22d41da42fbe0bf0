"""A prediction that people corrected."""

from __future__ import annotations

from dataclasses import dataclass

from mmerc.prediction.utterance_prediction import UtterancePrediction


@dataclass(frozen=True, slots=True, kw_only=True)
class CorrectedPrediction(UtterancePrediction):
    """An utterance as people corrected it: ``label``, words, speaker and times are theirs.

    ``predicted_label`` is the model's label; everything else that the model estimated is unchanged.
    ``corrections`` names the fields that were changed and ``corrected_by`` who changed them; both
    are empty where nothing was.
    """

    predicted_label: str
    corrections: str = ""
    corrected_by: str = ""
