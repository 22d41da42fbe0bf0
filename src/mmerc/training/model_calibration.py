"""Fit temperatures and prediction sets on validation, for each set of modalities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from mmerc.conversation import Modality
from mmerc.data.batch import TextWindows
from mmerc.data.corpus import PreparedCorpus
from mmerc.data.modality_subsets import modality_subsets, restrict_modalities
from mmerc.evaluation.calibration import fit_temperature, temper
from mmerc.evaluation.conformal import choose_method, gold_scores, thin_scores
from mmerc.evaluation.conversation_folds import assign_folds
from mmerc.evaluation.predictions import Predictions
from mmerc.models.base import AnyModel
from mmerc.models.inputs import WindowEncoder, encode_windows
from mmerc.models.set_scores import ModalityScores, ScoreGrid, SetScores, modality_key
from mmerc.nn.text_encoder import TextEncoder
from mmerc.training.scoring import predict_corpus

_POINTS, _LABEL_POINTS = 200, 100  # number of stored quantiles: of all utterances, per label


def calibrate_model(model: AnyModel, corpus: PreparedCorpus) -> None:
    """Fit a temperature and store the scores for prediction sets, for each set of modalities.

    Both use the labelled validation utterances that have all modalities of the set; other
    modalities are removed. Scores use a temperature fitted without the utterance's conversation
    (five folds), so that no label calibrates its own score.
    """
    model.temperature, model.temperatures, model.set_scores = 1.0, {}, None
    temperatures: dict[str, float] = {}
    scores: dict[str, ModalityScores] = {}
    encoder = remember_windows()
    for subset in _find_subsets(model):
        part = restrict_modalities(corpus, subset) if subset else corpus
        predictions = predict_corpus(model, part, "valid", window_encoder=encoder).with_gold()
        predictions = select_complete(model, part, predictions, subset)
        if len(predictions):
            key = modality_key(subset) or "none"
            temperatures[key] = fit_temperature(predictions)
            tempered = _temper_by_fold(predictions)
            scores[key] = score_labels(
                tempered.probabilities.astype(np.float64),
                tempered.gold,
                _number_conversations(tempered),
            )
    if not scores:
        temperatures[""] = fit_temperature(predict_corpus(model, corpus, "valid"))
    model.temperature = next(iter(temperatures.values()))
    model.temperatures = temperatures if len(temperatures) > 1 else {}
    conversations = len(corpus.splits["valid"])
    source = f"{conversations} conversations of the validation split of {corpus.name}"
    if scores:
        model.set_scores = SetScores(source=source, by_modalities=scores)


def _find_subsets(model: AnyModel) -> Sequence[tuple[Modality, ...]]:
    """List the sets of modalities that a model accepts; one empty set if it takes none.

    A model that reads waveforms always gets audio.
    """
    needed = {"audio"} if model.speech_encoder is not None else set()
    subsets = modality_subsets(tuple(model.inputs.output_widths))
    return [subset for subset in subsets if needed <= set(subset)] or [()]


def score_labels(
    probabilities: NDArray[np.float64], gold: NDArray[np.int64], groups: NDArray[np.intp]
) -> ModalityScores:
    """Return the scores of labelled utterances, with the method that gives the smaller sets.

    Shape: probabilities [N, K], gold [N], groups [N], the number of each utterance's conversation.
    """
    method = choose_method(probabilities, gold, groups)
    scores = gold_scores(probabilities, gold, method)
    return ModalityScores(
        method=method,
        every=_build_grid(scores, _POINTS),
        by_label=tuple(
            _build_grid(scores[gold == label], _LABEL_POINTS)
            for label in range(probabilities.shape[1])
        ),
    )


def _build_grid(scores: NDArray[np.float64], points: int) -> ScoreGrid:
    """Reduce scores to quantiles."""
    return ScoreGrid(count=len(scores), grid=thin_scores(scores, points=points))


def _temper_by_fold(predictions: Predictions) -> Predictions:
    """Scale each prediction with the temperature fitted on other conversations."""
    folds = assign_folds(_number_conversations(predictions), seed=0)
    probabilities = predictions.probabilities.copy()
    for fold in np.unique(folds):
        if (folds != fold).any():
            temperature = fit_temperature(predictions.where(folds != fold))
            inside = predictions.where(folds == fold)
            probabilities[folds == fold] = temper(inside, temperature).probabilities
    return replace(predictions, probabilities=probabilities)


def _number_conversations(predictions: Predictions) -> NDArray[np.intp]:
    """Number the conversations; return each utterance's number. Shape: -> [N]."""
    numbers = np.unique(np.array(predictions.conversations), return_inverse=True)[1]
    return np.asarray(numbers, dtype=np.intp)


def remember_windows() -> WindowEncoder:
    """Return a window encoder that encodes the same windows only once."""
    known: dict[tuple[bytes, torch.Size], torch.Tensor] = {}

    def encode(windows: TextWindows, encoder: TextEncoder, shape: torch.Size) -> torch.Tensor:
        tensors = (windows.token_ids, windows.pool_into)
        key = b"".join(item.cpu().numpy().tobytes() for item in tensors), shape
        if key not in known:
            known[key] = encode_windows(windows, encoder, shape)
        return known[key]

    return encode


def select_complete(
    model: AnyModel, corpus: PreparedCorpus, predictions: Predictions, subset: Sequence[Modality]
) -> Predictions:
    """Return the predictions of the utterances that have all modalities of a set."""
    texts = {
        (item.id, utterance.id): utterance.text
        for conversations in corpus.splits.values()
        for item in conversations
        for utterance in item.utterances
    }

    def has(modality: Modality, key: tuple[str, str]) -> bool:
        if modality in model.inputs.widths:
            return corpus.features[modality].vector(*key) is not None
        return bool(texts[key].strip()) if modality == "text" else key in corpus.sounds

    complete = [all(has(m, key) for m in subset) for key in predictions.keys]
    return predictions.where(np.array(complete, dtype=np.bool_))
