"""Refit a model to labels of the user's own recordings."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mmerc.annotation.labelled_sample import LabelledSample, match_sample
from mmerc.annotation.predicted_rows import PredictedRows, read_predicted_rows
from mmerc.annotation.rated_lines import read_label_rows, read_one_rater
from mmerc.corpora.manifest import read_unlabelled_manifest
from mmerc.data.corpus_media import conversation_sounds
from mmerc.data.preparation import published_tables
from mmerc.errors import InputError, UsageError
from mmerc.evaluation.held_out_gain import HeldOutGain, group_conversations
from mmerc.evaluation.label_sampling import CHOSEN, STRATIFIED, UNCERTAIN
from mmerc.evaluation.logit_adaptation import Adaptation, LogitMap, adapt_logits
from mmerc.models.base import AnyModel
from mmerc.models.model_folder import locate_model
from mmerc.models.registry import load_model
from mmerc.models.set_scores import SetScores
from mmerc.prediction.utterance_predictions import predict
from mmerc.training.adapted_model import LabelledProbabilities, write_adapted

_BIASED = {
    UNCERTAIN: "the utterances that the model was least sure of",
    STRATIFIED: "a sample stratified by predicted emotion",
    CHOSEN: "lines that the raters chose",
}


def adapt_model(
    model: str | Path,
    files: Sequence[str | Path],
    out: str | Path,
    *,
    predictions: str | Path | None = None,
    overwrite: bool = False,
    sets: bool = False,
    lora: bool = False,
) -> Adaptation:
    """Refit a model's output layer to labels, and write it to ``out`` if that improves it.

    Prediction sets are then calibrated on the labels, with cross-fitted predictions. With ``sets``,
    a model that does not improve is still written: unchanged, with its sets.
    ``lora``: also train the adapters of the text encoder; keep them if they are significantly
    better than the output layer alone. The files must then be manifests.

    A file is either a corrected analysis (``mmerc correct``) with the model's probabilities, or a
    manifest with labels, which the model predicts. With ``predictions`` (the model's predictions
    for a study or an analysis), a file has labels of some of them (``mmerc sample``). Nothing is
    written unless the interval of the gain, measured on held-out labels, lies above 0.
    InputError for labels outside the model's set, too few labels, or a model that is already
    adapted.
    """
    folder, loaded = locate_original(model, out, overwrite=overwrite)
    if lora and predictions is not None:
        raise UsageError("--lora trains on words; name manifests, and leave --predictions out.")
    strategies: set[str] = set()
    if predictions is None:
        parts = [read_labelled(loaded, Path(file)) for file in files]
    else:
        rows = read_predicted_rows(Path(predictions))
        order = _label_order(loaded, rows, Path(predictions))
        samples = [match_sample(rows, Path(file)) for file in files]
        strategies = {name for sample in samples for name in sample.strategies}
        parts = [_match_labels(rows, order, sample) for sample in samples]
    labelled = LabelledProbabilities.join(parts)
    adaptation = adapt_logits(labelled.log_probabilities, labelled.gold, labelled.conversations)
    remarks = list(_describe_draw(strategies))
    if lora:
        adaptation, comparison = _try_lora(loaded, adaptation, labelled, files)
        remarks.append(comparison)
    adaptation = replace(adaptation, remarks=tuple(remarks))
    if adaptation.better or sets:
        used = np.exp(adaptation.held_out) if adaptation.better else labelled.probabilities
        scores = labelled.calibrate(used, adaptation, [Path(file) for file in files])
        write_adapted(
            folder,
            Path(out),
            adaptation=_map_values(adaptation.map) if adaptation.better else None,
            scores=scores,
            card=_card(adaptation, scores, folder.name),
            overwrite=overwrite,
            weights_of=loaded if adaptation.map.kind == "LoRA" and adaptation.better else None,
        )
    return adaptation


def _try_lora(
    model: AnyModel,
    light: Adaptation,
    labelled: LabelledProbabilities,
    files: Sequence[str | Path],
) -> tuple[Adaptation, str]:
    """Train the adapters; return the better adaptation and the comparison of both."""
    from mmerc.training.lora_refit import read_labelled_examples, refit_lora

    started = time.monotonic()
    refit = refit_lora(model, read_labelled_examples(model, files))
    seconds = time.monotonic() - started
    unchanged, count = labelled.log_probabilities, len(model.labels)
    reference = light.held_out if light.better else unchanged
    groups = group_conversations(labelled.gold, labelled.conversations)
    over = HeldOutGain.measure(reference, refit.held_out, labelled.gold, groups, seed=0)
    chosen = over.better and refit.better
    sentence = (
        f"LoRA took {seconds:.0f} s; it gains {over.gain:+.3f} nats per utterance over the "
        f"{light.map.kind if light.better else 'unchanged model'} (95 % interval {over.low:+.3f} "
        f"to {over.high:+.3f}) and is {'' if chosen else 'not '}used."
    )
    if not chosen:
        return light, sentence
    same = LogitMap(kind="LoRA", weights=np.eye(count), bias=np.zeros(count))
    return Adaptation.measure(
        unchanged, refit.held_out, labelled.gold, groups, seed=0, map=same
    ), sentence


def locate_original(
    model: str | Path, out: str | Path, *, overwrite: bool
) -> tuple[Path, AnyModel]:
    """Find and load a model that is not yet adapted; InputError if ``out`` is in use."""
    folder, loaded = locate_model(model), load_model(model)
    if loaded.adaptation is not None:
        fix = "adapt the original model, with all labels together"
        raise InputError(folder, "was adapted before", fix)
    if Path(out).exists() and not overwrite and any(Path(out).iterdir()):
        raise InputError(out, "exists already", "choose another --out, or pass --overwrite")
    return folder, loaded


def read_labelled(model: AnyModel, path: Path) -> LabelledProbabilities:
    """Read probabilities and labels of the labelled utterances in one file."""
    rows = read_label_rows(path)
    columns = {name for _, row in rows for name in row}
    if any(name == "probabilities" or name.startswith("probabilities.") for name in columns):
        if "predicted_label" not in columns:
            problem = "its labels are the model's own"
            fix = "correct the analysis first, with `mmerc correct`"
            raise InputError(path, problem, fix)
        return _read_corrected(model, path)
    return predict_manifest(model, path)


def _read_corrected(model: AnyModel, path: Path) -> LabelledProbabilities:
    """Read a corrected analysis; all its lines count as seen by the rater."""
    rows = read_predicted_rows(path)
    order = _label_order(model, rows, path)
    return LabelledProbabilities(
        conversations=tuple(line.conversation for line in rows.lines),
        probabilities=_read_probabilities(rows)[:, order],
        gold=np.array([_label_index(model.labels.names, line.label, path) for line in rows.lines]),
    )


def _describe_draw(strategies: Collection[str]) -> Iterator[str]:
    """Describe the bias of labels that are not from a random sample."""
    for strategy, sample in _BIASED.items():
        if strategy in strategies:
            yield (
                f"the labels are of {sample}, not of a random sample: gain, accuracy and the level "
                "of prediction sets hold for utterances like these, not for all."
            )


def _match_labels(
    rows: PredictedRows, order: Sequence[int], sample: LabelledSample
) -> LabelledProbabilities:
    """Match the labels of a sample with the probabilities of its predictions."""
    gold = sample.gold
    places = np.flatnonzero(gold >= 0)
    return LabelledProbabilities(
        conversations=tuple(rows.lines[place].conversation for place in places),
        probabilities=_read_probabilities(rows)[places][:, order],
        gold=np.argsort(order)[gold[places]],
    )


def _label_order(model: AnyModel, rows: PredictedRows, path: Path) -> list[int]:
    """Find the column of each of the model's labels; InputError for other labels."""
    if rows.probabilities is None or set(rows.labels) != set(model.labels):
        problem = f"its labels are {', '.join(rows.labels) or 'without probabilities'}, not those"
        raise InputError(path, f"{problem} of the model", "name the model that made it")
    return [rows.labels.index(name) for name in model.labels]


def _read_probabilities(rows: PredictedRows) -> NDArray[np.float64]:
    """Return the probabilities of rows that are known to have them."""
    return np.empty((0, 0)) if rows.probabilities is None else rows.probabilities


def predict_manifest(
    model: AnyModel, path: Path, names: Sequence[str] | None = None
) -> LabelledProbabilities:
    """Predict the labelled utterances of a manifest, with their whole conversations as context.

    ``names`` are the labels in it, by default the model's.
    """
    names = model.labels.names if names is None else names
    lines = read_one_rater(path)
    labels = {
        (line.conversation, line.id): _label_index(names, line.label, path)
        for line in lines
        if line.label
    }
    manifest = read_unlabelled_manifest(path)
    tables = published_tables(path.stem, {"test": manifest.conversations}, manifest.features)
    chosen = {conversation for conversation, _ in labels}
    conversations = [item for item in manifest.conversations if item.id in chosen]
    sounds = None
    if model.speech_encoder is not None:
        sounds = conversation_sounds(conversations, path.parent)
    predictions = [
        item
        for item in predict(model, conversations, tables, sounds)
        if (item.conversation, item.id) in labels
    ]
    return LabelledProbabilities(
        conversations=tuple(item.conversation for item in predictions),
        probabilities=np.array(
            [[item.probabilities[name] for name in model.labels] for item in predictions]
        ),
        gold=np.array([labels[item.conversation, item.id] for item in predictions]),
    )


def _label_index(names: Sequence[str], label: str | None, path: Path) -> int:
    """Return the index of a label, ignoring case."""
    places = {name.casefold(): place for place, name in enumerate(names)}
    place = places.get((label or "").casefold())
    if place is None:
        fix = f"use one of {', '.join(names)}, or pass --own-labels to give it the file's labels"
        raise InputError(path, f"the model has no label {label!r}", fix)
    return place


def _map_values(logit_map: LogitMap) -> dict[str, object]:
    """Return the map in its saved form."""
    return {"weights": logit_map.weights.tolist(), "bias": logit_map.bias.tolist()}


def _card(adaptation: Adaptation, scores: SetScores, name: str) -> str:
    """Return the part of the model card about the adaptation."""
    sets = (
        f"Prediction sets are calibrated on {scores.source}, for levels up to "
        f"{100 * adaptation.labels / (adaptation.labels + 1):.1f} %, for any combination of "
        "modalities.\n"
    )
    if not adaptation.better:
        return "\n".join(
            [
                f"# {name}, with prediction sets for your recordings\n",
                f"{sets}\nThe model itself is unchanged: a refit to these labels was not better. "
                "Its card follows.\n",
            ]
        )
    (before, after), (f1_before, f1_after) = adaptation.accuracy, adaptation.weighted_f1
    return "\n".join(
        [
            f"# {name}, adapted\n",
            f"Adapted by its {adaptation.map.kind} to {scores.source}. Measured on labels that the "
            "refit did not see (nested cross-validation over conversations):\n",
            "| | unchanged | adapted |\n| --- | --- | --- |",
            f"| accuracy | {before:.1f} | {after:.1f} |",
            f"| weighted F1 | {f1_before:.1f} | {f1_after:.1f} |\n",
            f"The log-likelihood per utterance rose by {adaptation.gain:.3f} nats (95 % interval "
            f"{adaptation.low:.3f} to {adaptation.high:.3f}). It is fitted to these recordings; "
            f"its scores on them do not hold for others.\n\n{sets}\n"
            "The card of the unchanged model follows.\n",
        ]
    )
