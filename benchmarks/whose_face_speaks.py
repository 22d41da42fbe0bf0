"""Of two talking faces side by side, is the one found whose sound it is?

Reads a folder of films of one talking face each, puts every two of them side by side, with the
sound of one of the two, and lets ``mmerc.media.faces.speaking`` choose. Prints how often the
speaker's face is chosen, how often by the size of the faces alone, and how well a face's agreement
with the sound tells speaking from listening (AUC).
"""

from __future__ import annotations

import argparse
from itertools import permutations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mmerc.media.decode import SAMPLE_RATE, frame_times, probe, read_clip, read_frames
from mmerc.media.faces.detector import FaceDetector, Frame
from mmerc.media.faces.speaking import (
    LOOKS_PER_SECOND,
    choose,
    mouth_agreement,
    mouth_openings,
    sound_energy,
)
from mmerc.media.faces.tracks import link_faces
from mmerc.media.segment import Clip

_SEEN = 20  # frames in which faces are detected, as in an analysis


def read_film(path: Path) -> tuple[list[Frame], NDArray[np.float32], float]:
    """Frames, samples and length in seconds."""
    length = (probe(path).duration or 0.0) - 0.1
    times = frame_times(0.0, length, round(length * LOOKS_PER_SECOND))
    frames = [frame.pixels for frame in read_frames(path, times, height=480)]
    return frames, read_clip(Clip(path)), length


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    films = [read_film(path) for path in sorted(parser.parse_args().folder.glob("*.mpg"))]
    detector = FaceDetector(smallest=60)
    right, larger, speaking, listening = [], [], [], []
    for (left, sound, length), (other, _, _) in permutations(films, 2):
        frames = [np.hstack(pair) for pair in zip(left, other, strict=False)]
        times = frame_times(0.0, length, len(frames))
        places = np.linspace(0, len(frames) - 1, _SEEN).round().astype(int)
        tracks = link_faces(detector.detect([frames[i] for i in places]))
        openings = mouth_openings(
            tracks, seen=[times[i] for i in places], frames=frames, times=times
        )
        energy = sound_energy(sound, rate=SAMPLE_RATE, times=times)
        agreements = [mouth_agreement(opening, energy) for opening in openings]
        is_left = [next(iter(t.faces.values())).box[0] < left[0].shape[1] * 0.8 for t in tracks]
        for agreement, own in zip(agreements, is_left, strict=True):
            (speaking if own else listening).append(agreement.mean() if len(agreement) else 0.0)
        right.append(is_left[tracks.index(choose(tracks, agreements=agreements)[0])])
        larger.append(is_left[tracks.index(choose(tracks, mode="largest")[0])])
    auc = np.mean([[own > other for other in listening] for own in speaking])
    print(f"{len(films)} films, {len(right)} pairs: the speaker's face {sum(right)} times")
    print(f"by size alone: {sum(larger)} times; AUC of speaking against listening {auc:.2f}")


if __name__ == "__main__":
    main()
