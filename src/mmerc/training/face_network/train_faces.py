"""Training of the face network, on the trainer of all models, and what it leaves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors.torch import load_file
from torch.utils.data import DataLoader

from mmerc.errors import InputError
from mmerc.features.denseface.extractor import load_network
from mmerc.files import file_fingerprint, read_json, write_json
from mmerc.training.best_epoch import BestEpoch, save_weights
from mmerc.training.face_network.config import FaceNetworkConfig
from mmerc.training.face_network.face_module import (
    ACCURACY,
    FaceBatches,
    FaceNetworkModule,
    uses_bfloat16,
)
from mmerc.training.face_network.face_scores import FaceScores, score_faces
from mmerc.training.face_network.images import EMOTIONS, LabelledFaces, read_faces
from mmerc.training.folder import remove_training_state
from mmerc.training.hardware import Hardware
from mmerc.training.reporting import Reporter
from mmerc.training.result import versions
from mmerc.training.trainer import create_trainer, fit, keep_memory, quiet_lightning


class FaceNetworkResult(BaseModel):
    """Result of a training: ``result.json``, which comes with the weights.

    ``sha256`` is of ``weights.safetensors``, ``faces_sha256`` of the data; ``epoch`` counts from
    1. PublicTest chose the epoch; PrivateTest was opened once, afterwards.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    sha256: str
    faces_sha256: str
    labels: tuple[str, ...]
    images: int
    epoch: int
    public: FaceScores
    private: FaceScores
    config: FaceNetworkConfig
    versions: dict[str, str]


def train_face_network(
    parquet: Path,
    out: Path,
    config: FaceNetworkConfig,
    *,
    device: str = "cpu",
    report: Reporter,
) -> FaceNetworkResult:
    """Train on FER2013's Training faces, less the reserved quarter; finished work is kept.

    Writes ``weights.safetensors`` (float16), ``history.csv`` and ``result.json`` to ``out``. An
    interrupted training resumes after its last whole epoch, and on a processor ends with the same
    bits as an undisturbed one. InputError where ``out`` has another training, or ``parquet`` is
    not FER2013.
    """
    identity = {"config": config.model_dump(mode="json"), "faces": _data_fingerprint(parquet)}
    if (out / "result.json").exists():
        result = _read_result(out, identity)
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
    module = FaceNetworkModule(config, identity=identity)
    valid: DataLoader[LabelledFaces] = DataLoader([public], batch_size=None)  # type: ignore[arg-type]
    fit(trainer, module, out, FaceBatches(faces, config), valid)
    result = _finish(best, parquet, out, config, place, images=len(faces))
    write_json(out / "result.json", result.model_dump(mode="json"))
    remove_training_state(out)
    return result


def _data_fingerprint(parquet: Path) -> str:
    """SHA-256 of the data; InputError where it cannot be read."""
    try:
        return file_fingerprint(parquet)
    except OSError as error:
        raise InputError(parquet, "cannot be read", "check the path of FER2013") from error


def _read_result(out: Path, identity: dict[str, Any]) -> FaceNetworkResult:
    """Read the result of a training that is finished."""
    path = out / "result.json"
    try:
        result = FaceNetworkResult.model_validate(read_json(path))
    except ValidationError as error:
        fix = "remove it to finish the training again"
        raise InputError(path, "not the result of a face training", fix) from error
    if {"config": result.config.model_dump(mode="json"), "faces": result.faces_sha256} != identity:
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
) -> FaceNetworkResult:
    """Write the best weights in float16, score what was written, and open PrivateTest."""
    path = out / "weights.safetensors"
    weights = load_file(best.weights)
    save_weights({n: t.half() if t.is_floating_point() else t for n, t in weights.items()}, path)
    network = load_network(path).to(device)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    public, private = (
        score_faces(network, read_faces(parquet, usage), bfloat16=uses_bfloat16(config, device))
        for usage in ("PublicTest", "PrivateTest")
    )
    return FaceNetworkResult(
        sha256=file_fingerprint(path),
        faces_sha256=_data_fingerprint(parquet),
        labels=EMOTIONS,
        images=images,
        epoch=best.best_epoch + 1,
        public=public,
        private=private,
        config=config,
        versions=versions(),
    )
