"""Soft labels from other models, so that a small model can learn from large ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mmerc.conversation import Conversation, Utterance
from mmerc.data.corpus import PreparedCorpus
from mmerc.errors import UsageError
from mmerc.models.model_folder import locate_model
from mmerc.models.registry import load_model
from mmerc.models.training_data import TrainedOn
from mmerc.training.hardware import Hardware
from mmerc.training.scoring import predict_corpus

_Probabilities = Mapping[tuple[str, str], NDArray[np.float64]]


@dataclass(frozen=True, slots=True, kw_only=True)
class SoftLabelled:
    """A corpus with soft labels, and the number of conversations whose labels a model saw."""

    corpus: PreparedCorpus
    saw_label: int


def add_soft_labels(
    corpus: PreparedCorpus | str | Path,
    models: Sequence[str | Path],
    *,
    hardware: Hardware | None = None,
) -> SoftLabelled:
    """Give every training utterance the mean probabilities of ``models`` as its soft labels.

    They replace the corpus's soft labels; an utterance without a label keeps its own, because they
    are all that its raters chose. Validation and test are unchanged. ``models`` are runs, model
    folders, or models that come with mmerc; they use the modalities that the corpus has.

    ``training.soft_label_weight`` trains on them (Hinton et al. 2015, without a temperature; the
    models' own calibration is applied). UsageError without a model, InputError for a model or
    corpus that cannot be read and for a model of other labels.
    """
    if not models:
        raise UsageError("Soft labels need a model; name one.")
    prepared = corpus if isinstance(corpus, PreparedCorpus) else PreparedCorpus.load(corpus)
    folders = [locate_model(model) for model in models]
    probabilities = _average([_predict(prepared, folder, hardware) for folder in folders])
    training = tuple(
        _replace_soft_labels(conversation, probabilities, tuple(prepared.labels))
        for conversation in prepared.splits["train"]
    )
    seen = frozenset[str]().union(
        *(TrainedOn.read(folder).seen(prepared.label_source) for folder in folders)
    )
    return SoftLabelled(
        corpus=replace(
            prepared,
            splits={**prepared.splits, "train": training},
            remarks=(*prepared.remarks, _remark(models, prepared)),
        ),
        saw_label=sum(item.id in seen for item in training),
    )


def _predict(corpus: PreparedCorpus, folder: Path, hardware: Hardware | None) -> _Probabilities:
    """Return a model's probabilities for every training utterance, in the corpus's label order."""
    model = load_model(folder)
    predicted = predict_corpus(model, corpus, "train", hardware=hardware)
    order = [model.labels.index(label) for label in corpus.labels]
    rows = predicted.probabilities[:, order].astype(np.float64)
    return dict(zip(predicted.keys, rows, strict=True))


def _average(predicted: Sequence[_Probabilities]) -> _Probabilities:
    """Average several models' probabilities. Shape of each: [K]."""
    return {
        key: np.mean([probabilities[key] for probabilities in predicted], axis=0)
        for key in predicted[0]
    }


def _replace_soft_labels(
    conversation: Conversation, probabilities: _Probabilities, labels: tuple[str, ...]
) -> Conversation:
    """Return the conversation with soft labels for its utterances."""

    def soften(utterance: Utterance) -> Utterance:
        if _has_only_soft_labels(utterance):
            return utterance
        row = probabilities[conversation.id, utterance.id]
        soft_labels = dict(zip(labels, (row / row.sum()).tolist(), strict=True))
        return replace(utterance, soft_labels=soft_labels)

    return replace(conversation, utterances=tuple(map(soften, conversation.utterances)))


def _has_only_soft_labels(utterance: Utterance) -> bool:
    return utterance.label is None and bool(utterance.soft_labels)


def _remark(models: Sequence[str | Path], corpus: PreparedCorpus) -> str:
    """Return a remark on the source of the training split's soft labels."""
    names = ", ".join(Path(model).name for model in models)
    remark = f"The soft labels of the training split are probabilities predicted by {names}"
    utterances = [u for item in corpus.splits["train"] for u in item.utterances]
    kept = sum(map(_has_only_soft_labels, utterances))
    if not kept:
        return f"{remark}."
    return f"{remark}; {kept} of {len(utterances)} utterances have no label, and keep their own."
