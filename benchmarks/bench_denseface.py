"""Vectors of faces, and training steps of the network behind them, on random faces."""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from mmerc.training.face_network.state import TrainingState, fresh_network
from mmerc.training.face_network.training import train_batch

from mmerc.features.denseface.extractor import DenseFace
from mmerc.features.speaker_faces import SpeakerFaces
from mmerc.training.best_epoch import save_weights
from mmerc.training.face_network.augmentation import augment
from mmerc.training.face_network.config import FaceNetworkConfig
from mmerc.training.trainer import keep_memory

FACES, BAR = 640, 300


def rate(function: Callable[[], object], faces: int, times: int) -> str:
    """Faces a second of wall time and a second of processor time."""
    function()
    wall, used = time.perf_counter(), time.process_time()
    for _ in range(times):
        function()
    wall, used = time.perf_counter() - wall, time.process_time() - used
    return f"{times * faces / wall:.0f} a second, {times * faces / used:.0f} a processor second"


def inference(device: str) -> str:
    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder) / "weights.safetensors"
        save_weights(fresh_network(0).state_dict(), weights)
        extractor = DenseFace(SpeakerFaces(), weights=weights, device=device)
    crops = np.random.default_rng(0).integers(0, 256, (FACES, 48, 48), dtype=np.uint8)
    precision = extractor.spec.settings["precision"]
    return f"vectors, {precision}: {rate(lambda: extractor.vectors_of(crops), FACES, 1)}"


def training(device: str, steps: int) -> str:
    config = FaceNetworkConfig()
    size = config.batch_size
    state = TrainingState(config, images=size * (steps + 1), device=torch.device(device))
    images = torch.randint(0, 256, (size, 1, 48, 48), dtype=torch.uint8, device=device)
    labels = torch.randint(0, 7, (size,), device=device)
    generator = torch.Generator(device).manual_seed(0)
    state.network.train()

    def step() -> None:
        created = augment(images, config.augmentation, generator=generator)
        float(train_batch(state, created, labels, share=1.0))

    return f"training, batches of {size}: {rate(step, size, steps)}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--steps", type=int, default=30)
    arguments = parser.parse_args()
    keep_memory()
    print(f"DenseFace on {arguments.device}, {torch.get_num_threads()} threads")
    print(f"  {inference(arguments.device)} (bar {BAR})")
    print(f"  {training(arguments.device, arguments.steps)}")


if __name__ == "__main__":
    main()
