"""Score a model on other corpora, by corpus and set of modalities."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mmerc.conversation import Modality, Split
from mmerc.data.corpus import PreparedCorpus
from mmerc.data.modality_subsets import modality_subsets, restrict_modalities
from mmerc.evaluation.label_alignment import LabelAlignment
from mmerc.evaluation.metrics import (
    FROM_CONFUSION,
    Metric,
    confusion,
    labelled,
    weighted_f1_of_one_label,
)
from mmerc.evaluation.predictions import Predictions
from mmerc.evaluation.prior_shift import label_shares, match_prior
from mmerc.evaluation.significance import summarise
from mmerc.experiments.robustness.evaluated_runs import EvaluatedRun
from mmerc.models.base import AnyModel
from mmerc.models.registry import load_model
from mmerc.training.evaluation_remarks import check_labels, find_remarks
from mmerc.training.result import interval
from mmerc.training.scoring import predict_corpus

_METRICS: tuple[Metric, ...] = ("unweighted_recall", "weighted_f1")


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferScore:
    """Scores in percent with one set of modalities, means over seeds.

    ``scores``: of unchanged predictions. ``matched``: after adjusting to the label shares of the
    corpus. ``intervals`` (95 %, over conversations) are for ``scores``; None for a single
    conversation.
    """

    corpus: str
    modalities: tuple[Modality, ...]
    utterances: int
    conversations: int
    scores: Mapping[Metric, float]
    deviations: Mapping[Metric, float]
    intervals: Mapping[Metric, list[float] | None]
    matched: Mapping[Metric, float]

    def to_json(self) -> dict[str, Any]:
        """Return one flat row, as in CSV and JSON."""
        row: dict[str, Any] = {
            "corpus": self.corpus,
            "modalities": "+".join(self.modalities),
            "utterances": self.utterances,
            "conversations": self.conversations,
        }
        for metric in _METRICS:
            low, high = self.intervals[metric] or (None, None)
            row |= {
                metric: round(self.scores[metric], 4),
                f"{metric}_deviation": round(self.deviations[metric], 4),
                f"{metric}_low": low,
                f"{metric}_high": high,
                f"{metric}_prior_known": round(self.matched[metric], 4),
            }
        return row


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelShare:
    """The share of a label in a corpus, and among predictions with all modalities (percent).

    ``recall``: in percent; None if the label does not occur.
    """

    corpus: str
    label: str
    gold: float
    predicted: float
    recall: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferResult:
    """All scores of one corpus.

    ``chance``: recall of guessing. ``majority``: weighted F1 of always predicting the most common
    label.
    """

    scores: tuple[TransferScore, ...]
    shares: tuple[LabelShare, ...]
    alignment: LabelAlignment
    chance: float
    majority: float
    remarks: tuple[str, ...]


def measure_transfer(
    run: EvaluatedRun,
    corpus: PreparedCorpus,
    name: str,
    alignment: LabelAlignment,
    *,
    split: Split,
    report: Callable[[str], None],
) -> TransferResult:
    """Predict and score a split of the corpus ``name`` with every set of modalities.

    InputError if the split is missing or has no label, or vectors have another width.
    """
    check_labels(corpus, split)
    models = [load_model(folder) for folder in run.folders.values()]
    remarks = dict.fromkeys(
        line
        for model, folder in zip(models, run.folders.values(), strict=True)
        for line in find_remarks(model, folder, corpus, split)
    )
    predictions: dict[tuple[Modality, ...], list[Predictions]] = {}
    for subset in modality_subsets(_usable_modalities(models[0], corpus, split)):
        report(f"{name}: {' + '.join(subset)}")
        part = restrict_modalities(corpus, subset)
        predictions[subset] = [_predict(model, part, split, alignment) for model in models]
    scores = [_score(name, subset, seeds, corpus, split) for subset, seeds in predictions.items()]
    whole = labelled(next(iter(predictions.values()))[0])
    shares = label_shares(whole)
    return TransferResult(
        scores=tuple(scores),
        shares=tuple(_share_labels(name, whole)),
        alignment=alignment,
        chance=100 / int((shares > 0).sum()),
        majority=weighted_f1_of_one_label(float(shares.max())),
        remarks=(*remarks, *_alignment_remarks(alignment, whole, corpus, split)),
    )


def _usable_modalities(
    model: AnyModel, corpus: PreparedCorpus, split: Split
) -> tuple[Modality, ...]:
    """Return the modalities that the model reads and the corpus has."""
    texts = any(u.text.strip() for item in corpus.splits[split] for u in item.utterances)
    present = {*corpus.features, *(["text"] if texts else [])}
    if model.speech_encoder is not None:
        present |= {"audio"} if corpus.sounds else set()
    return tuple(modality for modality in model.inputs.output_widths if modality in present)


def _predict(
    model: AnyModel, corpus: PreparedCorpus, split: Split, alignment: LabelAlignment
) -> Predictions:
    """Predict a split with the model's labels, and align them with the corpus's."""
    gold = [u.label for item in corpus.splits[split] for u in item.utterances]
    unlabelled = tuple(item.without_labels() for item in corpus.splits[split])
    blank = replace(corpus, labels=model.labels, splits={split: unlabelled})
    return alignment.convert(predict_corpus(model, blank, split), gold)


def _score(
    name: str,
    subset: tuple[Modality, ...],
    seeds: Sequence[Predictions],
    corpus: PreparedCorpus,
    split: Split,
) -> TransferScore:
    """Score one set of modalities over all seeds."""
    rows = labelled(seeds[0])
    by_metric = {metric: [_value(run, metric) for run in seeds] for metric in _METRICS}
    matched = {m: float(np.mean([_value(match_prior(run), m) for run in seeds])) for m in _METRICS}
    return TransferScore(
        corpus=name,
        modalities=subset,
        utterances=len(rows),
        conversations=len(set(rows.conversations)),
        scores={metric: summarise(values).mean for metric, values in by_metric.items()},
        deviations={metric: summarise(values).std for metric, values in by_metric.items()},
        intervals={metric: interval(seeds, metric) for metric in _METRICS},
        matched=matched,
    )


def _value(predictions: Predictions, metric: Metric) -> float:
    """Return one metric in percent."""
    return float(FROM_CONFUSION[metric](confusion(predictions)))


def _share_labels(name: str, predictions: Predictions) -> Iterator[LabelShare]:
    """Yield the share, predicted share and recall of each label."""
    matrix = confusion(predictions)
    for index, label in enumerate(predictions.labels):
        support = matrix[index].sum()
        yield LabelShare(
            corpus=name,
            label=label,
            gold=float(100 * support / matrix.sum()),
            predicted=float(100 * matrix[:, index].sum() / matrix.sum()),
            recall=float(100 * matrix[index, index] / support) if support else None,
        )


def _alignment_remarks(
    alignment: LabelAlignment, scored: Predictions, corpus: PreparedCorpus, split: Split
) -> Iterator[str]:
    """Yield remarks on excluded labels of the corpus and of the model."""
    labels = [u.label for item in corpus.splits[split] for u in item.utterances]
    for label, name in alignment.corpus.items():
        count = labels.count(label)
        if name is None and count:
            yield f"{count} utterances labelled {label!r} are left out: the model has no such label"
    omitted = [label for label, name in alignment.model.items() if name is None]
    if omitted:
        yield f"the model's labels {', '.join(omitted)} are not in the corpus and were not allowed"
