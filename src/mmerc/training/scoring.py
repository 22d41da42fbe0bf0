"""Predictions of a model on a split of a corpus."""

from __future__ import annotations

import torch
from torch import Tensor

from mmerc.data.corpus import PreparedCorpus
from mmerc.errors import InputError, UsageError
from mmerc.evaluation.predictions import Predictions
from mmerc.models.base import AnyModel
from mmerc.models.inputs import WindowEncoder, encode_windows
from mmerc.prediction.run_model import build_model_examples, run_model
from mmerc.training.hardware import Hardware


def check_sounds(corpus: PreparedCorpus) -> None:
    """UsageError for a corpus without sounds, for models that read waveforms."""
    if not corpus.sounds:
        raise UsageError(
            f"The model reads sound, but corpus {corpus.name!r} has none; name the raw corpus's "
            "folder with --media."
        )


def predict_corpus(
    model: AnyModel,
    corpus: PreparedCorpus,
    split: str,
    *,
    hardware: Hardware | None = None,
    window_encoder: WindowEncoder = encode_windows,
) -> Predictions:
    """Predict one split of a corpus with the model's labels (in any order).

    The model is moved to ``hardware`` (by default the fastest available) and back.
    ``window_encoder`` runs the text encoder. InputError for a corpus with other labels or without
    the split.
    """
    if set(corpus.labels) != set(model.labels):
        problem = (
            f"its labels are {', '.join(corpus.labels)}, the model's {', '.join(model.labels)}"
        )
        raise InputError(f"corpus {corpus.name!r}", problem, "evaluate on a corpus of those labels")
    conversations = next((items for name, items in corpus.splits.items() if name == split), ())
    if not conversations:
        raise InputError(f"corpus {corpus.name!r}", f"no {split} split", "prepare one with it")
    if model.speech_encoder is not None:
        check_sounds(corpus)
    examples = build_model_examples(model, conversations, corpus.features, corpus.sounds)
    home = model.class_weights.device
    model.to((hardware or Hardware()).device)
    outputs = run_model(model, examples, window_encoder=window_encoder)
    model.to(home)
    pairs = [(item.id, utterance.id) for item in conversations for utterance in item.utterances]
    return Predictions(
        labels=model.labels,
        conversations=tuple(conversation for conversation, _ in pairs),
        utterances=tuple(utterance for _, utterance in pairs),
        gold=outputs.labels.numpy(),
        probabilities=outputs.probabilities.numpy(),
        weights={name: weight.numpy() for name, weight in outputs.weights.items()},
        similarity=outputs.similarity.numpy(),
        context_weight=outputs.context_weight.numpy(),
    )


def count_pairs(labels: Tensor, scores: Tensor) -> Tensor:
    """Compute the confusion matrix. Shape: labels [...], scores [..., K] -> [K, K]."""
    classes, labelled = scores.shape[-1], labels >= 0
    pairs = labels[labelled] * classes + scores.argmax(-1)[labelled]
    return torch.bincount(pairs.cpu(), minlength=classes**2).view(classes, classes)
