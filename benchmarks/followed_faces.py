"""Does following faces through an utterance give the same faces as searching every frame?

    python benchmarks/followed_faces.py FILM...

Films are split into parts of 4 s (and of 1 s and 12 s) with 20 frames each, as in an analysis.
Prints the number of faces found by searching whole frames, how many of them following also finds
(boxes that overlap by half), the distances of boxes and landmarks, the number of faces found by
only one method, and the relative time of following.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch

from mmerc.media.decode import frame_times, probe, read_frames
from mmerc.media.faces.boxes import overlaps
from mmerc.media.faces.detector import Face, FaceDetector, Frame
from mmerc.media.faces.following import follow_faces

_SEEN, _LENGTHS = 20, (1.0, 4.0, 12.0)


@dataclass(kw_only=True)
class Comparison:
    """Comparison of faces from whole frames with followed ones."""

    whole: int = 0
    extra: int = 0
    shares: list[float] = field(default_factory=list)
    distances: list[float] = field(default_factory=list)
    times: list[float] = field(default_factory=lambda: [0.0, 0.0])

    def count(self, expected: Sequence[Face], actual: Sequence[Face]) -> None:
        """Compare the faces of one frame."""
        self.whole += len(expected)
        free = list(actual)
        for face in expected:
            share, nearest = max(
                ((share_of(face, f), f) for f in free),
                default=(0.0, None),
                key=lambda pair: pair[0],
            )
            if nearest is not None and share >= 0.5:
                free.remove(nearest)
                self.shares.append(share)
                apart = np.linalg.norm(face.landmarks - nearest.landmarks, axis=1)
                self.distances.append(float(apart.max()))
        self.extra += len(free)

    def __str__(self) -> str:
        missed = self.whole - len(self.shares)
        followed, together = self.times
        share, distance = min(self.shares, default=1.0), max(self.distances, default=0.0)
        return (
            f"{self.whole} faces, {missed} missed, {self.extra} more; boxes overlap by {share:.4f} "
            f"or more, landmarks are {distance:.2f} pixels apart at most, above 0.01 in "
            f"{sum(d > 0.01 for d in self.distances)}; {followed / together:.2f} of the time"
        )


def share_of(face: Face, other: Face) -> float:
    """Return the intersection over union of two boxes."""
    first, second = (torch.from_numpy(item.box)[None] for item in (face, other))
    return float(overlaps(first, second))


def stretches(film: Path, length: float) -> Iterator[list[Frame]]:
    """Yield the frames of successive parts of a film."""
    duration = (probe(film).duration or 0.0) - 0.1
    edges = np.linspace(0, duration, max(1, round(duration / length)) + 1)
    for start, end in pairwise(edges.tolist()):
        times = frame_times(start, end, _SEEN)
        yield [frame.pixels for frame in read_frames(film, times, height=480)]


def compare(film: Path, length: float, detector: FaceDetector) -> Comparison:
    """Compare both methods on one film."""
    comparison = Comparison()
    for frames in stretches(film, length):
        detector.detect(frames)  # kernels are compiled
        started = time.process_time()
        actual = follow_faces(detector, frames)
        middle = time.process_time()
        expected = detector.detect(frames)
        comparison.times[0] += middle - started
        comparison.times[1] += time.process_time() - middle
        for pair in zip(expected, actual, strict=True):
            comparison.count(*pair)
    return comparison


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("films", type=Path, nargs="+")
    arguments = parser.parse_args()
    detector = FaceDetector(smallest=60)
    for film in arguments.films:
        for length in _LENGTHS:
            print(f"{film.name}, {length:g} s: {compare(film, length, detector)}", flush=True)


if __name__ == "__main__":
    main()
