"""Loss of accuracy of the face network under shifts, on FER2013's PublicTest.

    python benchmarks/face_shifts.py fer2013.parquet --weights weights.safetensors --faces 1000

Each face is read once, as in extraction. Changes are drawn with a fixed seed, so that networks are
compared on the same pixels. Choose on PublicTest only; ``--usage PrivateTest`` is for the final
test.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor

from mmerc.features.denseface.equalisation import equalise
from mmerc.features.denseface.extractor import load_network
from mmerc.features.denseface.network import DenseNet, normalise
from mmerc.features.denseface.versions import VERSIONS
from mmerc.training.face_network.augmentation import Augmentation, augment
from mmerc.training.face_network.degradation import (
    compress,
    reduce_detail,
    relight,
    turned_sideways,
    warp,
)
from mmerc.training.face_network.images import LabelledFaces, read_faces

BAR, BATCH = 6.0, 256
STILL = Augmentation(
    flip=0, shift=0, rotation=0, zoom=0, brightness=0, contrast=0, erasing=0, erased_area=0
)
Shift = Callable[[Tensor], Tensor]


def even(images: Tensor, value: float) -> Tensor:
    """Return the same number for every image. Shape: -> [B]."""
    return torch.full((len(images),), value)


def either_way(images: Tensor, value: float) -> Tensor:
    """Return a number or its negative for every image, at random. Shape: -> [B]."""
    generator = torch.Generator().manual_seed(0)
    return value * (1 - 2 * torch.randint(2, (len(images),), generator=generator).float())


def detail(*, pixels: int = 48, blur: float = 0.0) -> Shift:
    def change(images: Tensor) -> Tensor:
        deviation = even(images, blur)[:, None].expand(-1, 2)
        return reduce_detail(images, pixels=even(images, pixels).long(), blur=deviation)

    return change


def light(
    *, contrast: float = 1.0, brightness: float = 0.0, gamma: float = 1.0, slope: float = 0.0
) -> Shift:
    return lambda images: relight(
        images,
        contrast=even(images, contrast),
        brightness=even(images, brightness),
        gamma=even(images, gamma),
        slope=either_way(images, slope),
    )


def crop(*, scale: float = 1.0, shift: float = 0.0, roll: float = 0.0) -> Shift:
    """Scale, shift (share of the side) and roll (degrees) the face."""

    def change(images: Tensor) -> Tensor:
        angle = either_way(images, math.radians(roll))
        cosine, sine = angle.cos() / scale, angle.sin() / scale
        across, down = (2 * way for way in (either_way(images, shift), either_way(images, shift)))
        zero, one = even(images, 0.0), even(images, 1.0)
        rows = [[cosine, -sine, across], [sine, cosine, down.roll(1)], [zero, zero, one]]
        return warp(images, torch.stack([torch.stack(row, dim=1) for row in rows], dim=1))

    return change


def yaw(degrees: float) -> Shift:
    return lambda images: warp(images, turned_sideways(either_way(images, math.radians(degrees))))


def drawn(settings: Mapping[str, object]) -> Shift:
    """Draw changes as in training, with a fresh generator."""
    augmentation = STILL.model_copy(update=dict(settings))
    return lambda images: augment(images, augmentation, generator=torch.Generator().manual_seed(0))


SHIFTS: dict[str, Shift] = {
    "clean": lambda images: images,
    **{f"{side} px": detail(pixels=side) for side in (32, 24, 16, 12)},
    "blur 1 px": detail(blur=1.0),
    "blur 2 px": detail(blur=2.0),
    "JPEG quality 30": lambda images: compress(images, quality=even(images, 30.0)),
    "JPEG quality 10": lambda images: compress(images, quality=even(images, 10.0)),
    "darker by 0.3": light(brightness=-0.3),
    "brighter by 0.3": light(brightness=0.3),
    "gamma 2": light(gamma=2.0),
    "grey levels of a film": light(contrast=0.45),
    "light from one side": light(slope=0.25),
    "noise 0.1": drawn({"noise": 0.1}),
    "scale 0.8": crop(scale=0.8),
    "scale 1.3": crop(scale=1.3),
    "shift 12 %": crop(shift=0.12),
    "crop of a detector": drawn({"zoom": 0.23, "shift": 0.12, "rotation": 5.0}),
    "occlusion of 0 to 30 %": drawn({"erasing": 1.0, "erased_area": 0.3, "erased_grey": "random"}),
    "roll 20 degrees": crop(roll=20.0),
    "yaw 30 degrees": yaw(30.0),
    "yaw 45 degrees": yaw(45.0),
}


@torch.inference_mode()
def right_answers(
    network: DenseNet, faces: LabelledFaces, shift: Shift, *, equalised: bool
) -> Tensor:
    """Return which faces are classified correctly. Shape: -> [N] bool."""
    images = shift(faces.images.float()).round().clamp(0, 255)
    images = equalise(images) if equalised else images
    parts = normalise(images).contiguous(memory_format=torch.channels_last).split(BATCH)
    predicted = torch.cat([network(part).logits.argmax(dim=1) for part in parts])
    return predicted == faces.labels


def some_of(faces: LabelledFaces, count: int | None) -> LabelledFaces:
    """Draw ``count`` faces with a fixed seed; None: all."""
    rows = torch.randperm(len(faces), generator=torch.Generator().manual_seed(0))[:count]
    return LabelledFaces(images=faces.images[rows], labels=faces.labels[rows])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parquet", type=Path)
    parser.add_argument("--weights", type=Path, default=VERSIONS["denseface"].weights)
    parser.add_argument("--faces", type=int, default=None, help="number (default: all)")
    parser.add_argument("--usage", choices=["PublicTest", "PrivateTest"], default="PublicTest")
    parser.add_argument("--equalise", action="store_true", help="as denseface-2 does")
    parser.add_argument("--out", type=Path, default=None, help="JSON file")
    arguments = parser.parse_args()
    network = load_network(arguments.weights)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    faces = some_of(read_faces(arguments.parquet, arguments.usage), arguments.faces)
    clean = right_answers(network, faces, SHIFTS["clean"], equalised=arguments.equalise).float()
    accuracies = {}
    print(f"{arguments.usage}, {len(faces)} faces; bar: a loss of {BAR:.0f} points")
    print(f"{'shift':24} accuracy   loss  +- 95 %")
    for name, shift in SHIFTS.items():
        right = right_answers(network, faces, shift, equalised=arguments.equalise).float()
        loss = 100 * (clean - right)
        interval = 1.96 * float(loss.std()) / math.sqrt(len(faces))
        accuracies[name] = round(100 * float(right.mean()), 2)
        print(
            f"{name:24} {accuracies[name]:8.1f} {float(loss.mean()):6.1f} {interval:6.1f}",
            flush=True,
        )
    if arguments.out is not None:
        arguments.out.write_text(json.dumps(accuracies, indent=2))


if __name__ == "__main__":
    main()
