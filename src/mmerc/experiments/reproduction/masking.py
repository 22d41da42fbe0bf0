"""Predictions of a saved model with one modality withheld (DQ-Former, Table 4)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from mmerc.data.batch import ConversationBatch
from mmerc.data.corpus import PreparedCorpus
from mmerc.evaluation.predictions import Predictions
from mmerc.experiments.reproduction.targets import Masking
from mmerc.files import fingerprint
from mmerc.models.base import AnyModel
from mmerc.models.registry import load_model
from mmerc.training.hardware import Hardware
from mmerc.training.scoring import predict_corpus


def masked_predictions(
    folder: Path, masking: Masking, corpus: PreparedCorpus, *, hardware: Hardware | None = None
) -> Predictions:
    """Return test predictions without a modality, computed once by the seed's model and stored.

    The file name includes a hash of the corpus, so that corpora are not confused.
    """
    name = f"predictions-test-{masking.modality}-{masking.how}-{corpus_key(corpus)}.parquet"
    path = folder / name
    if path.is_file():
        return Predictions.load(path)
    model = load_model(folder / "model")
    predictions = predict_masked(model, masking, corpus, "test", hardware=hardware)
    predictions.save(path)
    return predictions


def corpus_key(corpus: PreparedCorpus) -> str:
    """Return a short hash of the corpus's conversations and vectors."""
    return fingerprint(corpus.fingerprints)[:12]


def predict_masked(
    model: AnyModel,
    masking: Masking,
    corpus: PreparedCorpus,
    split: str,
    *,
    hardware: Hardware | None = None,
) -> Predictions:
    """Predict a split without a modality; the model itself is unchanged."""

    def hook(module: Any, arguments: tuple[ConversationBatch]) -> tuple[ConversationBatch]:
        return (_mask_batch(arguments[0], masking),)

    handle = model.register_forward_pre_hook(hook)
    try:
        return predict_corpus(model, corpus, split, hardware=hardware)
    finally:
        handle.remove()


def _mask_batch(batch: ConversationBatch, masking: Masking) -> ConversationBatch:
    """Mark a modality as absent, or set its input to 0 and keep it present.

    Zeroed text keeps its length: every token becomes token 0, the padding token of BERT models.
    """
    modality = masking.modality
    if masking.how == "absent":
        absent = torch.zeros_like(batch.mask)
        return replace(batch, present={**batch.present, modality: absent})
    features = {m: v * 0 if m == modality else v for m, v in batch.features.items()}
    batch = replace(batch, features=features)
    if modality == "text":
        return replace(batch, windows=_zeroed(batch.windows), tokens=_zeroed(batch.tokens))
    if modality == "audio" and batch.waveforms is not None:
        waveforms = replace(batch.waveforms, samples=batch.waveforms.samples * 0)
        return replace(batch, waveforms=waveforms)
    return batch


def _zeroed(tokens: Any) -> Any:
    return None if tokens is None else replace(tokens, token_ids=tokens.token_ids * 0)
