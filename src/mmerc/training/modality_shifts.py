"""Measure the cost of a misleading modality, for the table on a model card.

Each ten validation conversations become one recording, and one modality is shifted throughout. The
model should not score below the best set without the shifted modality: otherwise that modality does
harm.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from mmerc.conversation import Modality, Split
from mmerc.data.batch import ConversationBatch
from mmerc.data.batches import batch_loader
from mmerc.data.corpus import PreparedCorpus
from mmerc.data.modality_subsets import modality_subsets
from mmerc.data.shifted_sound import extract_shifted_sound
from mmerc.evaluation.metrics import expected_calibration_error, weighted_f1_from_confusion
from mmerc.media.sound_shifts import SOUND_SHIFTS
from mmerc.models.base import AnyModel
from mmerc.prediction.averaging import predict_probabilities
from mmerc.prediction.effects import with_encoded_text
from mmerc.prediction.run_model import build_model_examples
from mmerc.training.joined_conversations import join_conversations
from mmerc.training.scoring import count_pairs
from mmerc.training.vector_shifts import list_vector_shifts, shift_vectors

RECORDING_CONVERSATIONS = 10
_Subset = tuple[Modality, ...]
_Batches = Sequence[ConversationBatch]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShiftScores:
    """Scores of every set of modalities with ``modality`` shifted, in percent.

    ``without``: the weighted F1 of the best undisturbed set without the modality.
    """

    name: str
    modality: Modality
    weighted_f1: Mapping[_Subset, float]
    calibration_error: Mapping[_Subset, float]
    without: float

    @property
    def gap(self) -> float:
        """Gain of all modalities together over the best set without the shifted one."""
        return max(self.weighted_f1.items(), key=lambda item: len(item[0]))[1] - self.without


@dataclass(frozen=True, slots=True, kw_only=True)
class ShiftTable:
    """A model's undisturbed scores, and its scores under every applicable shift.

    ``size``: conversations of ``split`` in a recording.
    """

    split: Split
    size: int
    undisturbed: Mapping[_Subset, float]
    calibration_error: Mapping[_Subset, float]
    shifts: tuple[ShiftScores, ...]


def measure_shifts(
    model: AnyModel,
    corpus: PreparedCorpus,
    media: Path | None,
    *,
    split: Split = "valid",
    size: int = RECORDING_CONVERSATIONS,
    report: Callable[[str], None],
) -> ShiftTable | None:
    """Score every set of the model's modalities under every shift of one modality.

    ``media`` is the folder of the raw corpus, needed to shift the sound itself. Returns None for a
    model of a single modality, or one that reads single utterances or waveforms.
    """
    names = tuple(model.inputs.output_widths)
    if len(names) < 2 or model.unit != "conversation" or model.speech_encoder is not None:
        return None
    part = replace(corpus, splits={split: corpus.splits[split]})
    report(f"scoring undisturbed recordings of the {split} split")
    recordings = _build_recordings(model, part, size)
    undisturbed, calibration = _score_subsets(model, recordings)
    table: list[ShiftScores] = []

    def add(modality: Modality, name: str, batches: _Batches) -> None:
        without = max(score for s, score in undisturbed.items() if modality not in s)
        scores, errors = _score_subsets(model, batches)
        table.append(
            ShiftScores(
                name=name, modality=modality, weighted_f1=scores, calibration_error=errors,
                without=without,
            )
        )  # fmt: skip
        report(f"shift: {name}, gap {table[-1].gap:+.1f}")

    if media is not None and "audio" in model.inputs.widths:
        for name, change_sound in SOUND_SHIFTS.items():
            report(f"extracting the sound again: {name}")
            audio = extract_shifted_sound(part, media, change_sound)
            shifted = replace(part, features={**part.features, "audio": audio})
            add("audio", name, _build_recordings(model, shifted, size))
    for (modality, name), change in list_vector_shifts(model.labels).items():
        if modality in names and any(bool(b.present[modality].any()) for b in recordings):
            add(modality, name, shift_vectors(recordings, modality, change))
    return ShiftTable(
        split=split, size=size, undisturbed=undisturbed, calibration_error=calibration,
        shifts=tuple(table),
    )  # fmt: skip


def _build_recordings(model: AnyModel, part: PreparedCorpus, size: int) -> list[ConversationBatch]:
    """Join random groups of ``size`` conversations (fixed seed); encode the text."""
    (conversations,) = part.splits.values()
    examples = build_model_examples(model, conversations, part.features)
    order = np.random.default_rng(0).permutation(len(examples)).tolist()
    recordings = []
    for first in range(0, len(order), size):
        group = [examples[i] for i in order[first : first + size]]
        (batch,) = batch_loader(group, tokenizer=model.tokenizer, size=size, shuffle=False)
        with torch.inference_mode():
            recordings.append(with_encoded_text(model, join_conversations(batch, size)))
    return recordings


def _score_subsets(
    model: AnyModel, batches: _Batches
) -> tuple[dict[_Subset, float], dict[_Subset, float]]:
    """Return weighted F1 and calibration error in percent, of every set of modalities."""
    subsets = modality_subsets(tuple(model.inputs.output_widths))
    scores = {subset: _score_subset(model, batches, subset) for subset in subsets}
    weighted_f1 = {subset: score for subset, (score, _) in scores.items()}
    return weighted_f1, {subset: error for subset, (_, error) in scores.items()}


@torch.inference_mode()
def _score_subset(model: AnyModel, batches: _Batches, subset: _Subset) -> tuple[float, float]:
    """Return weighted F1 and calibration error in percent."""
    gold, predicted = [], []
    for batch in batches:
        present = {m: at & (m in subset) for m, at in batch.present.items()}
        labelled = batch.labels >= 0
        gold.append(batch.labels[labelled])
        predicted.append(predict_probabilities(model, batch.with_present(present))[labelled])
    labels, scores = torch.cat(gold), torch.cat(predicted)
    confusion = count_pairs(labels, scores).numpy()
    error = expected_calibration_error(labels.numpy(), scores.numpy())
    return float(weighted_f1_from_confusion(confusion)), error
