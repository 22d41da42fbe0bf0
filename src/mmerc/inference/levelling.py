"""Level the features of a recording to the training data, for any model.

A model trained on levelled vectors levels them itself (``mmerc.nn.levelling``). All other models of
voices and faces also get levelled vectors in an analysis, because microphones, light and people
differ from the training data in every real recording.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch

from mmerc.conversation import Modality
from mmerc.features.store import FeatureTable
from mmerc.models.base import AnyModel
from mmerc.nn.levelling import LevellingConfig, level_vectors

# [decided] Measured distances in standard deviations (benchmarks/recording_level.py). With IS10:
# test speakers of the composed corpus 0.15 to 0.24, telephone 0.5, noise 0.7, synthetic voices 1.0,
# music and humming 1.8. With whisper: test speakers 0.21 to 0.26, telephone 0.36, noise and
# synthetic voices 0.9.
FAR = 0.8


def choose_levelling(model: AnyModel) -> LevellingConfig:
    """Return the levelling of a model's vectors in an analysis."""
    return model.config.levelling or LevellingConfig()


def measure_distance(model: AnyModel, modality: Modality, table: FeatureTable) -> float:
    """Return the distance of a recording from the training data, in its standard deviations.

    It is the median over the dimensions of the distance between the means; 0 without vectors.
    """
    vectors = [row.vector for row in table.rows.values() if row.vector is not None]
    if not vectors:
        return 0.0
    scores = model.inputs.standardise(torch.from_numpy(np.stack(vectors)), modality)
    return float(scores.mean(0).abs().quantile(0.5))


def level_table(
    model: AnyModel,
    modality: Modality,
    table: FeatureTable,
    speakers: Mapping[str, str],
    levelling: LevellingConfig,
) -> FeatureTable:
    """Level a recording's vectors, in table order, and return them on the original scale.

    ``speakers``: utterance id to speaker.
    """
    rows = [row for row in table.rows.values() if row.vector is not None]
    if not rows:
        return table
    names = [speakers.get(row.utterance, "") for row in rows]
    numbers = torch.tensor([names.index(name) for name in names])
    vectors = torch.from_numpy(np.stack([row.vector for row in rows if row.vector is not None]))
    levelled = level_vectors(
        model.inputs.standardise(vectors, modality).unsqueeze(0),
        torch.ones(1, len(rows), dtype=torch.bool),
        numbers.unsqueeze(0),
        levelling,
        modality,
    )
    moved = model.inputs.restore_scale(levelled[0], modality).numpy()
    changed = [replace(row, vector=vector) for row, vector in zip(rows, moved, strict=True)]
    return replace(
        table, rows={**table.rows, **{(row.conversation, row.utterance): row for row in changed}}
    )
