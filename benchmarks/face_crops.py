"""Compare FER2013's pictures with face crops of films: positions of eyes and mouth, grey levels.

    python benchmarks/face_crops.py fer2013.parquet film.mp4 ... --faces 300

The same detector is used on both, at the same size: crops are scaled up like FER2013's pictures.
Positions are shares of the side: medians and (deviations).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from numpy.typing import NDArray

from mmerc.features.base import Absent
from mmerc.features.speaker_faces import SpeakerFaces
from mmerc.media.faces.alignment import _TEMPLATE
from mmerc.media.faces.detector import FaceDetector
from mmerc.media.segment import Clip, Segment
from mmerc.training.face_network.images import read_faces

FACTOR, SMALLEST = 4, 60
POINTS = ("left eye", "right eye", "nose", "mouth left", "mouth right")
Faces = NDArray[np.uint8]


def enlarged(faces: Faces) -> list[NDArray[np.uint8]]:
    """Shape: [N, S, S] -> N colour frames of four times the side."""
    images = torch.from_numpy(faces)[:, None].float()
    large = F.interpolate(images, scale_factor=FACTOR, mode="bicubic").round().clamp(0, 255)
    return list(large.byte().permute(0, 2, 3, 1).expand(-1, -1, -1, 3).contiguous().numpy())


def landmarks(faces: Faces, detector: FaceDetector) -> NDArray[np.float64]:
    """Detect landmarks of the best face of each picture. Shape: -> [M, 5, 2] shares of the side."""
    frames = enlarged(faces)
    best = [detected[0].landmarks for detected in detector.detect(frames) if detected]
    return (np.array(best, dtype=np.float64).reshape(-1, 5, 2) + 0.5) / frames[0].shape[0]


def describe(name: str, faces: Faces, detector: FaceDetector) -> None:
    points = landmarks(faces, detector)
    print(f"{name}: {len(faces)} pictures, a face detected in {len(points)}")
    for point, middle, spread, aim in zip(
        POINTS, np.median(points, axis=0), points.std(axis=0), _TEMPLATE, strict=True
    ):
        places = ", ".join(f"{m:.3f} ({s:.3f})" for m, s in zip(middle, spread, strict=True))
        print(f"  {point:12} x, y: {places}   template {aim[0]:.3f}, {aim[1]:.3f}")
    eyes, mouth = points[:, :2].mean(axis=1), points[:, 3:].mean(axis=1)
    height = np.median(np.linalg.norm(mouth - eyes, axis=1))
    width = np.median(np.linalg.norm(points[:, 1] - points[:, 0], axis=1))
    levels = faces.reshape(len(faces), -1).astype(float)
    fine = np.abs(np.diff(faces.astype(float), axis=2)).mean(axis=(1, 2))
    print(f"  eyes to mouth {height:.3f}, eye to eye {width:.3f}")
    print(
        f"  grey level {levels.mean():.0f}, its deviation within a picture "
        f"{levels.std(axis=1).mean():.0f}, mean step to the next pixel {fine.mean():.1f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parquet", type=Path)
    parser.add_argument("films", type=Path, nargs="*")
    parser.add_argument("--faces", type=int, default=300)
    arguments = parser.parse_args()
    detector = FaceDetector(smallest=SMALLEST)
    images = read_faces(arguments.parquet, "PublicTest").images[: arguments.faces, 0].numpy()
    describe("FER2013's PublicTest", images, detector)
    for film in arguments.films:
        views = SpeakerFaces(choice="largest").views(Segment(film=Clip(film)))
        if isinstance(views, Absent):
            print(f"{film.name}: {views.reason}")
        else:
            describe(film.name, views.crops, detector)


if __name__ == "__main__":
    main()
