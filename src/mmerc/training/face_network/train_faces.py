"""Train the face network with the trainer of all models, and write the results."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors.torch import load_file
from torch.utils.data import DataLoader

from mmerc.errors import InputError, UsageError
from mmerc.features.denseface.extractor import load_network
from mmerc.features.denseface.versions import VERSIONS, locate_shipped_weights
from mmerc.files import file_fingerprint, read_json, write_json
from mmerc.free_memory import keep_memory
from mmerc.training.best_epoch import BestEpoch, save_weights
from mmerc.training.face_network.config import FaceNetworkConfig
from mmerc.training.face_network.face_module import (
    ACCURACY,
    FaceBatches,
    FaceNetworkModule,
    uses_bfloat16,
)
from mmerc.training.face_network.face_scores import FaceScores, score_faces
from mmerc.training.face_network.images import EMOTIONS, LabelledFaces, Usage, read_faces
from mmerc.training.folder import remove_training_state
from mmerc.training.hardware import Hardware
from mmerc.training.reporting import Reporter
from mmerc.training.result import versions
from mmerc.training.trainer import create_trainer, fit, quiet_lightning


class FaceNetworkResult(BaseModel):
    """Result of a training: ``result.json``, stored with the weights.

    ``sha256`` is of ``weights.safetensors``, ``faces_sha256`` of the data, ``initial_sha256`` of
    the initial weights, if any. ``epoch`` counts from 1 and was chosen on PublicTest; PrivateTest
    was opened once, afterwards, or not yet (None).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    sha256: str
    faces_sha256: str
    labels: tuple[str, ...]
    images: int
    epoch: int
    public: FaceScores
    private: FaceScores | None
    config: FaceNetworkConfig
    versions: dict[str, str]
    initial_sha256: str | None = None


def train_face_network(
    parquet: Path,
    out: Path,
    config: FaceNetworkConfig,
    *,
    initial: str | Path | None = None,
    test: bool = True,
    device: str = "cpu",
    report: Reporter,
) -> FaceNetworkResult:
    """Train on FER2013's Training faces without the reserved quarter; finished work is reused.

    ``initial`` is a file with initial weights, or the name of an extractor whose weights come with
    mmerc; None: random weights from the seed. Writes ``weights.safetensors`` (float16),
    ``history.csv`` and ``result.json`` to ``out``. An interrupted training resumes after its last
    complete epoch; on a CPU the result is bit-identical to an uninterrupted training. PrivateTest
    is opened only with ``test``, also for a finished training.

    InputError if ``out`` has another training or ``parquet`` is not FER2013; UsageError if settings
    need initial weights and there are none.
    """
    start = _locate_initial(initial, config)
    identity = _identity(
        config,
        _fingerprint_input(parquet, "FER2013"),
        None if start is None else _fingerprint_input(start, "the initial weights"),
    )
    if (out / "result.json").exists():
        result = _read_result(out, identity)
        if test and result.private is None:
            private = _score_written(out, parquet, "PrivateTest", config, torch.device(device))
            result = result.model_copy(update={"private": private})
            write_json(out / "result.json", result.model_dump(mode="json"))
        remove_training_state(out)
        return result
    quiet_lightning()
    keep_memory()
    place = torch.device(device)
    faces, public = (read_faces(parquet, usage).to(place) for usage in ("Training", "PublicTest"))
    best = BestEpoch(out, report, metric=ACCURACY, title="PublicTest accuracy")
    trainer = create_trainer(
        out, best, Hardware(accelerator=place.type),
        epochs=config.epochs, precision="32-true", tensorboard=False,
    )  # fmt: skip
    weights = None if start is None else load_network(start).state_dict()
    module = FaceNetworkModule(config, identity=identity, initial=weights)
    valid: DataLoader[LabelledFaces] = DataLoader([public], batch_size=None)  # type: ignore[arg-type]
    fit(trainer, module, out, FaceBatches(faces, config), valid)
    result = _finish(
        best, parquet, out, config, place,
        images=len(faces), initial_sha256=identity.get("initial"), test=test,
    )  # fmt: skip
    write_json(out / "result.json", result.model_dump(mode="json"))
    remove_training_state(out)
    return result


def _locate_initial(initial: str | Path | None, config: FaceNetworkConfig) -> Path | None:
    """Find the initial weights; UsageError if ``config`` needs them and there are none."""
    if initial is not None:
        version = VERSIONS.get(str(initial))
        return Path(initial) if version is None else locate_shipped_weights(version)
    if config.frozen_blocks:
        raise UsageError("frozen_blocks needs initial weights; give them with --initial.")
    return None


def _identity(config: FaceNetworkConfig, faces: str, initial: str | None) -> dict[str, Any]:
    """Return what identifies a training: settings, data and initial weights."""
    identity = {"config": config.model_dump(mode="json"), "faces": faces}
    return identity if initial is None else {**identity, "initial": initial}


def _fingerprint_input(path: Path, name: str) -> str:
    """Return the SHA-256 of an input; InputError if it cannot be read."""
    try:
        return file_fingerprint(path)
    except OSError as error:
        raise InputError(path, "cannot be read", f"check the path of {name}") from error


def _read_result(out: Path, identity: dict[str, Any]) -> FaceNetworkResult:
    """Read the result of a finished training."""
    path = out / "result.json"
    try:
        result = FaceNetworkResult.model_validate(read_json(path))
    except ValidationError as error:
        fix = "remove it to finish the training again"
        raise InputError(path, "not the result of a face training", fix) from error
    if _identity(result.config, result.faces_sha256, result.initial_sha256) != identity:
        problem = "contains a training with other settings or other faces"
        raise InputError(out, problem, "choose another folder")
    return result


def _finish(
    best: BestEpoch,
    parquet: Path,
    out: Path,
    config: FaceNetworkConfig,
    device: torch.device,
    *,
    images: int,
    initial_sha256: str | None,
    test: bool,
) -> FaceNetworkResult:
    """Write the best weights in float16, score them, and open PrivateTest if requested."""
    path = out / "weights.safetensors"
    weights = load_file(best.weights)
    save_weights({n: t.half() if t.is_floating_point() else t for n, t in weights.items()}, path)
    return FaceNetworkResult(
        sha256=file_fingerprint(path),
        faces_sha256=_fingerprint_input(parquet, "FER2013"),
        labels=EMOTIONS,
        images=images,
        epoch=best.best_epoch + 1,
        public=_score_written(out, parquet, "PublicTest", config, device),
        private=_score_written(out, parquet, "PrivateTest", config, device) if test else None,
        config=config,
        versions=versions(),
        initial_sha256=initial_sha256,
    )


def _score_written(
    out: Path, parquet: Path, usage: Usage, config: FaceNetworkConfig, device: torch.device
) -> FaceScores:
    """Score the weights in ``out``."""
    network = load_network(out / "weights.safetensors").to(device)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return score_faces(
        network, read_faces(parquet, usage),
        equalised=config.equalise, bfloat16=uses_bfloat16(config, device),
    )  # fmt: skip
