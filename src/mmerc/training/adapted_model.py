"""Shared parts of adapting a model to labels: labelled predictions, sets, a copied folder."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmerc.evaluation.held_out_gain import HeldOutGain
from mmerc.files import atomic_directory, read_text, write_json, write_text
from mmerc.models.base import AnyModel
from mmerc.models.saved_model import read_model_config
from mmerc.models.set_scores import ANY_MODALITIES, SetScores
from mmerc.training.model_calibration import score_labels

_SMALLEST = 1e-6  # probabilities are stored with six digits


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LabelledProbabilities:
    """The model's probabilities of labelled utterances. Shape: [N, K], gold [N]."""

    conversations: tuple[str, ...]
    probabilities: NDArray[np.float64]
    gold: NDArray[np.int64]

    @classmethod
    def join(cls, parts: Sequence[LabelledProbabilities]) -> LabelledProbabilities:
        """Join the probabilities of several files."""
        return cls(
            conversations=tuple(name for part in parts for name in part.conversations),
            probabilities=np.concatenate([part.probabilities for part in parts]),
            gold=np.concatenate([part.gold for part in parts]),
        )

    @property
    def log_probabilities(self) -> NDArray[np.float64]:
        """Shape: [N, K]."""
        return np.asarray(np.log(np.maximum(self.probabilities, _SMALLEST)))

    def calibrate(
        self, probabilities: NDArray[np.float64], measured: HeldOutGain, files: Sequence[Path]
    ) -> SetScores:
        """Calibrate prediction sets of ``probabilities`` on the labels. Shape: [N, L]."""
        groups = np.unique(self.conversations, return_inverse=True)[1]
        return SetScores(
            source=f"{measured.labels} labels of {measured.conversations} conversations "
            f"({', '.join(file.name for file in files)})",
            by_modalities={ANY_MODALITIES: score_labels(probabilities, self.gold, groups)},
        )


def write_adapted(
    source: Path,
    out: Path,
    *,
    adaptation: Mapping[str, Any] | None,
    scores: SetScores,
    card: str,
    overwrite: bool,
    weights_of: AnyModel | None = None,
) -> None:
    """Copy a model's folder, and add an adaptation to its configuration if there is one.

    ``card`` precedes the card of the original model. ``weights_of``: a model with changed weights,
    if any.
    """
    with atomic_directory(out, overwrite=overwrite) as folder:
        shutil.copytree(source, folder, dirs_exist_ok=True)
        scores.write(folder)
        config = read_model_config(source)
        if weights_of is not None:
            config |= _replace_weights(folder, weights_of, compact=bool(config.get("compact")))
        if adaptation is not None:
            write_json(folder / "config.json", config | {"adaptation": adaptation})
        original = read_text(folder / "README.md") if (folder / "README.md").is_file() else ""
        write_text(folder / "README.md", f"{card}\n{original}")


def _replace_weights(folder: Path, model: AnyModel, *, compact: bool) -> dict[str, Any]:
    """Write a model's weights into a copied folder; return their part of the configuration."""
    with TemporaryDirectory(dir=folder) as temporary:
        saved = Path(temporary) / "model"
        model.save_pretrained(saved, compact=compact)
        (saved / "model.safetensors").replace(folder / "model.safetensors")
        config = read_model_config(saved)
    return {name: config[name] for name in ("weights_sha256",) if name in config}
