"""Speed and memory of face vectors of a film, end to end."""

from __future__ import annotations

import multiprocessing
import resource
import tempfile
import time
from pathlib import Path

import av
import numpy as np
from av.video.stream import VideoStream

from bench_faces import film
from mmerc.features.base import Absent
from mmerc.features.denseface.extractor import DenseFace
from mmerc.features.denseface.versions import VERSIONS
from mmerc.features.speaker_faces import SpeakerFaces
from mmerc.media.segment import Clip, Segment
from mmerc.training.best_epoch import save_weights
from mmerc.training.face_network.face_module import _create_network

RATE, UTTERANCE, LENGTHS = 25, 3, (60, 600)  # frames a second, seconds
SPEED_BAR, MEMORY_BAR = 3, 1.5  # times real time, GB


def write_film(path: Path, seconds: int) -> None:
    """Write a film of a photograph moving over grey, 640 x 480, with slight noise."""
    pictures, noise = film(), np.random.default_rng(0)
    with av.open(path, "w") as container:
        stream = container.add_stream("h264", rate=RATE, options={"preset": "ultrafast"})
        assert isinstance(stream, VideoStream)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        for number in range(seconds * RATE):
            pixels = pictures[(number // 2) % len(pictures)]
            grain = noise.integers(-3, 4, (480, 1, 1))
            frame = np.clip(pixels.astype(np.int16) + grain, 0, 255).astype(np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))


def measure(path: Path, weights: Path, seconds: int) -> tuple[float, float]:
    """Return speed (times real time) and maximum memory of this process in GB."""
    extractor = DenseFace(SpeakerFaces(), weights=weights)
    started = time.perf_counter()
    for start in range(0, seconds, UTTERANCE):
        clip = Clip(path, start=float(start), end=float(start + UTTERANCE))
        if isinstance(extractor.extract(Segment(film=clip)), Absent):
            raise RuntimeError(f"no face at {start} s")
    elapsed = time.perf_counter() - started
    return seconds / elapsed, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def main() -> None:
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        weights = VERSIONS["denseface"].weights
        if not weights.is_file():
            weights = Path(folder) / "weights.safetensors"
            save_weights(_create_network(0).state_dict(), weights)
        for seconds in LENGTHS:
            path = Path(folder) / f"{seconds}.mp4"
            write_film(path, seconds)
            with context.Pool(1) as pool:  # a separate process, to measure its memory
                speed, memory = pool.apply(measure, (path, weights, seconds))
            print(
                f"{seconds} s of film, one utterance per {UTTERANCE} s: {speed:.1f} times real "
                f"time (bar {SPEED_BAR}), {memory:.2f} GB at most (bar {MEMORY_BAR})"
            )


if __name__ == "__main__":
    main()
