"""Predictions of a model on a split, in the form that evaluation reads."""

from __future__ import annotations

from mmerc.data.corpus import PreparedCorpus
from mmerc.errors import InputError, UsageError
from mmerc.evaluation.predictions import Predictions
from mmerc.models.base import AnyModel
from mmerc.prediction.run_model import build_model_examples, run_model
from mmerc.training.hardware import Hardware


def check_sounds(corpus: PreparedCorpus) -> None:
    """A model that reads waveforms needs a corpus with sounds."""
    if not corpus.sounds:
        raise UsageError(
            f"The model reads sound, and of corpus {corpus.name!r} none is known; name the raw "
            "corpus's folder with --media."
        )


def predict_corpus(
    model: AnyModel, corpus: PreparedCorpus, split: str, *, hardware: Hardware | None = None
) -> Predictions:
    """Predict one split of a corpus whose labels must be the model's (in any order).

    The model is lent to the ``hardware`` (by default the fastest there is) and comes back.
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
    answers = run_model(model.to((hardware or Hardware()).device), examples)
    model.to(home)
    pairs = [(item.id, utterance.id) for item in conversations for utterance in item.utterances]
    return Predictions(
        labels=model.labels,
        conversations=tuple(conversation for conversation, _ in pairs),
        utterances=tuple(utterance for _, utterance in pairs),
        gold=answers.labels.numpy(),
        probabilities=answers.probabilities.numpy(),
        weights={name: weight.numpy() for name, weight in answers.weights.items()},
        similarity=answers.similarity.numpy(),
        context_weight=answers.context_weight.numpy(),
    )
