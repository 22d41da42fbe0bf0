"""A saved model asked again with a modality taken away (DQ-Former, Table 4)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from mmerc.data.batch import ConversationBatch
from mmerc.data.corpus import PreparedCorpus
from mmerc.evaluation.predictions import Predictions
from mmerc.experiments.target import Masking
from mmerc.files import fingerprint
from mmerc.models.base import AnyModel
from mmerc.models.registry import load_model
from mmerc.training.hardware import Hardware
from mmerc.training.scoring import predict_corpus


def masked_predictions(
    folder: Path, masking: Masking, corpus: PreparedCorpus, *, hardware: Hardware | None = None
) -> Predictions:
    """Test predictions without a modality, made once from the seed's model and kept beside it.

    The file's name says of which corpus they are: no other corpus gets them for its own.
    """
    name = f"predictions-test-{masking.modality}-{masking.how}-{answer_key(corpus)}.parquet"
    path = folder / name
    if path.is_file():
        return Predictions.load(path)
    made = predict_masked(load_model(folder / "model"), masking, corpus, "test", hardware=hardware)
    made.save(path)
    return made


def answer_key(corpus: PreparedCorpus) -> str:
    """A short hash of the conversations and vectors that a model was asked about."""
    return fingerprint(corpus.fingerprints)[:12]


def predict_masked(
    model: AnyModel,
    masking: Masking,
    corpus: PreparedCorpus,
    split: str,
    *,
    hardware: Hardware | None = None,
) -> Predictions:
    """Predictions of a split without a modality; the model stays as it is."""

    def hook(module: Any, arguments: tuple[ConversationBatch]) -> tuple[ConversationBatch]:
        return (take_away(arguments[0], masking),)

    handle = model.register_forward_pre_hook(hook)
    try:
        return predict_corpus(model, corpus, split, hardware=hardware)
    finally:
        handle.remove()


def take_away(batch: ConversationBatch, masking: Masking) -> ConversationBatch:
    """The batch with a modality declared absent, or with its input 0 and still present.

    Zeroed text keeps its length: every token becomes token 0, the padding of BERT's kind.
    """
    modality = masking.modality
    if masking.how == "absent":
        nothing = torch.zeros_like(batch.mask)
        return replace(batch, present={**batch.present, modality: nothing})
    features = {m: v * 0 if m == modality else v for m, v in batch.features.items()}
    batch = replace(batch, features=features)
    if modality == "text":
        return replace(batch, windows=silent(batch.windows), tokens=silent(batch.tokens))
    if modality == "audio" and batch.waveforms is not None:
        waveforms = replace(batch.waveforms, samples=batch.waveforms.samples * 0)
        return replace(batch, waveforms=waveforms)
    return batch


def silent(tokens: Any) -> Any:
    """Tokens of the same length that say nothing; None where there are none."""
    return None if tokens is None else replace(tokens, token_ids=tokens.token_ids * 0)
