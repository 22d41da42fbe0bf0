"""Training of the face network: epochs, the choice among them, and what is left behind."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from pydantic import BaseModel, ConfigDict, ValidationError
from torch import Tensor

from mmerc.errors import InputError
from mmerc.features.denseface.extractor import load_network
from mmerc.features.denseface.network import normalise
from mmerc.files import file_fingerprint, read_json, write_json, write_text
from mmerc.precision import fast_bfloat16
from mmerc.training.best_epoch import history_csv, save_weights
from mmerc.training.face_network.augmentation import augment
from mmerc.training.face_network.config import FaceNetworkConfig
from mmerc.training.face_network.images import EMOTIONS, LabelledFaces, read_faces
from mmerc.training.face_network.scores import FaceScores, score_faces
from mmerc.training.face_network.state import TrainingState
from mmerc.training.reporting import Reporter
from mmerc.training.result import versions
from mmerc.training.trainer import keep_memory


class FaceNetworkResult(BaseModel):
    """What a training came to; ``result.json`` holds it, and comes with the weights.

    ``sha256`` is of ``weights.safetensors``, ``faces_sha256`` of the data; ``epoch`` counts from
    1. PublicTest chose the epoch, PrivateTest was opened once, afterwards.
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

    Writes ``weights.safetensors`` (float16), ``history.csv`` and ``result.json`` into ``out``; a
    training that was broken off there goes on after its last whole epoch, and on a processor ends
    as if it had not been. InputError where ``out`` holds another training, or ``parquet`` is not
    FER2013.
    """
    identity = {"config": config.model_dump(mode="json"), "faces": file_fingerprint_of(parquet)}
    if (out / "result.json").exists():
        return finished_result(out, identity)
    keep_memory()
    faces = read_faces(parquet, "Training").to(torch.device(device))
    public = read_faces(parquet, "PublicTest").to(torch.device(device))
    state = TrainingState(config, images=len(faces), device=torch.device(device))
    resume = out / "resume.safetensors"
    if resume.exists():
        state.load(resume, identity)
    while state.epoch < config.epochs:
        run_epoch(state, faces, public)
        state.save(resume, identity)
        write_text(out / "history.csv", history_csv(state.history))
        report(epoch_line(state))
    result = finish(state, parquet, out, identity=identity, images=len(faces))
    resume.unlink()
    return result


def file_fingerprint_of(parquet: Path) -> str:
    """SHA-256 of the data; InputError where it cannot be read."""
    try:
        return file_fingerprint(parquet)
    except OSError as error:
        raise InputError(parquet, "cannot be read", "check the path of FER2013") from error


def finished_result(out: Path, identity: dict[str, Any]) -> FaceNetworkResult:
    """The result that stands in ``out`` already."""
    path = out / "result.json"
    try:
        result = FaceNetworkResult.model_validate(read_json(path))
    except ValidationError as error:
        fix = "remove it to finish the training again"
        raise InputError(path, "not the result of a face training", fix) from error
    if {"config": result.config.model_dump(mode="json"), "faces": result.faces_sha256} != identity:
        problem = "holds a training with other settings or other faces"
        raise InputError(out, problem, "choose another folder")
    return result


def run_epoch(state: TrainingState, faces: LabelledFaces, public: LabelledFaces) -> None:
    """Train for an epoch, score it on PublicTest and note it."""
    started = time.monotonic()
    loss = train_epoch(state, faces)
    scores = score_faces(state.average, public, bfloat16=uses_bfloat16(state))
    state.end_epoch(
        {
            "epoch": state.epoch,
            "seconds": time.monotonic() - started,
            "learning_rate": float(state.schedule.get_last_lr()[0]),
            "loss": loss,
            "public_accuracy": scores.accuracy,
        }
    )


def train_epoch(state: TrainingState, faces: LabelledFaces) -> float:
    """One pass over ``faces`` in a new order; returns the mean loss.

    All chance comes from seed and epoch, so that nothing of it must be kept for resuming.
    """
    config = state.config
    chance = np.random.default_rng([config.seed, state.epoch])
    generator = torch.Generator(state.device).manual_seed(int(chance.integers(2**62)))
    order = torch.from_numpy(chance.permutation(len(faces))).to(state.device)
    total = torch.zeros((), device=state.device)
    state.network.train()
    for chosen in torch.split(order, config.batch_size):
        images = augment(faces.images[chosen], config.augmentation, generator=generator)
        images = smaller(images, config.side_in(state.epoch))
        share = chance.beta(config.mixup, config.mixup) if config.mixup else 1.0
        loss = train_batch(state, images, faces.labels[chosen], share=share)
        total += len(chosen) * loss
    return float(total) / len(faces)


def smaller(images: Tensor, side: int) -> Tensor:
    """Faces scaled down; [B, 1, H, W] -> [B, 1, side, side]."""
    if images.shape[-1] == side:
        return images
    return F.interpolate(images, size=side, mode="bilinear", antialias=True)


def train_batch(state: TrainingState, images: Tensor, labels: Tensor, *, share: float) -> Tensor:
    """One step; each image is mixed with its neighbour, of which it keeps ``share`` (mixup).

    Shape: images [B, 1, H, W] 0 to 255, labels [B] -> scalar without gradient.
    """
    mixed = share * images + (1 - share) * images.roll(1, dims=0)
    given = normalise(mixed).contiguous(memory_format=torch.channels_last)
    with torch.autocast(state.device.type, torch.bfloat16, enabled=uses_bfloat16(state)):
        logits = state.network(given).logits
    smoothing = state.config.label_smoothing
    own, other = (
        F.cross_entropy(logits, names, label_smoothing=smoothing)
        for names in (labels, labels.roll(1))
    )
    loss = share * own + (1 - share) * other
    state.optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    state.optimizer.step()
    state.schedule.step()
    state.averaged.update_parameters(state.network)
    return loss.detach()


def uses_bfloat16(state: TrainingState) -> bool:
    """Whether asked for, and done in hardware."""
    return state.config.bfloat16 and fast_bfloat16(state.device)


def epoch_line(state: TrainingState) -> str:
    """What is said of the last epoch."""
    last, best = state.history[-1], state.history[state.best_epoch]
    return (
        f"epoch {state.epoch}/{state.config.epochs}: loss {last['loss']:.3f}, "
        f"PublicTest accuracy {last['public_accuracy']:.2f} (best {best['public_accuracy']:.2f} "
        f"in epoch {state.best_epoch + 1}), {last['seconds']:.1f} s"
    )


def finish(
    state: TrainingState, parquet: Path, out: Path, *, identity: dict[str, Any], images: int
) -> FaceNetworkResult:
    """Write the best weights in float16; score what was written; open PrivateTest."""
    path = out / "weights.safetensors"
    save_weights(
        {name: t.half() if t.is_floating_point() else t for name, t in state.best_weights.items()},
        path,
    )
    network = load_network(path).to(state.device)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    public, private = (
        score_faces(network, read_faces(parquet, usage), bfloat16=uses_bfloat16(state))
        for usage in ("PublicTest", "PrivateTest")
    )
    result = FaceNetworkResult(
        sha256=file_fingerprint(path),
        faces_sha256=identity["faces"],
        labels=EMOTIONS,
        images=images,
        epoch=state.best_epoch + 1,
        public=public,
        private=private,
        config=state.config,
        versions=versions(),
    )
    write_json(out / "result.json", result.model_dump(mode="json"))
    return result
