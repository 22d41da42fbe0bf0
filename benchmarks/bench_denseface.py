"""Speed of face vectors, and of training steps of the face network, on random faces."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch

from mmerc.features.denseface.equalisation import equalise
from mmerc.features.denseface.extractor import DenseFace
from mmerc.features.denseface.versions import VERSIONS
from mmerc.features.speaker_faces import SpeakerFaces
from mmerc.free_memory import keep_memory
from mmerc.training.face_network.augmentation import Augmentation, augment
from mmerc.training.face_network.config import FaceNetworkConfig
from mmerc.training.face_network.face_module import (
    _create_network,
    _create_optimizer,
    _mixup_loss,
)

FACES, BAR = 640, 300


def rate(function: Callable[[], object], faces: int, times: int) -> str:
    """Format faces per second of wall time and of processor time."""
    function()
    wall, used = time.perf_counter(), time.process_time()
    for _ in range(times):
        function()
    wall, used = time.perf_counter() - wall, time.process_time() - used
    return f"{times * faces / wall:.0f} per second, {times * faces / used:.0f} per processor second"


def inference(device: str, version: str) -> str:
    weights = VERSIONS["denseface"].weights  # other versions take equal time
    extractor = DenseFace(SpeakerFaces(), weights=weights, version=version, device=device)
    crops = np.random.default_rng(0).integers(0, 256, (FACES, 48, 48), dtype=np.uint8)
    precision = extractor.spec.settings["precision"]
    return f"{version}, vectors, {precision}: {rate(lambda: extractor.vectors_of(crops), FACES, 1)}"


def training(device: str, steps: int) -> str:
    config = FaceNetworkConfig()
    size = config.batch_size
    network = _create_network(config.seed).to(device).train()
    optimizer = _create_optimizer(network, config)
    images = torch.randint(0, 256, (size, 1, 48, 48), dtype=torch.uint8, device=device)
    labels = torch.randint(0, 7, (size,), device=device)
    generator = torch.Generator(device).manual_seed(0)

    def step() -> None:
        created = augment(images, config.augmentation, generator=generator)
        optimizer.zero_grad()
        _mixup_loss(network, created, labels, share=1.0, config=config).backward()
        optimizer.step()

    return f"training, batches of {size}: {rate(step, size, steps)}"


def augmentation(device: str, steps: int) -> str:
    """Measure all degradations on every image, and equalisation."""
    degraded = Augmentation(
        yaw=35, gamma=0.4, side_light=0.15, small=1, blurred=1, noise=0.03, compressed=1
    )
    images = torch.randint(0, 256, (128, 1, 48, 48), dtype=torch.uint8, device=device)
    generator = torch.Generator(device).manual_seed(0)

    def step() -> None:
        equalise(augment(images, degraded, generator=generator))

    return f"augmentation with all degradations: {rate(step, len(images), steps)}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--steps", type=int, default=30)
    arguments = parser.parse_args()
    keep_memory()
    print(f"DenseFace on {arguments.device}, {torch.get_num_threads()} threads")
    for version in ("denseface", "denseface-2"):
        print(f"  {inference(arguments.device, version)} (bar {BAR})")
    print(f"  {augmentation(arguments.device, arguments.steps)}")
    print(f"  {training(arguments.device, arguments.steps)}")


if __name__ == "__main__":
    main()
