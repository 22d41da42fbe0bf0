"""Of two talking faces side by side, is the speaker found, or detected as neither of them?

    python benchmarks/whose_face_speaks.py FOLDER [FILM...]

Reads a folder of films (.mpg) of one talking face each, and optionally more films of one face,
which are also used for fitting the map of ``mmerc.media.faces.lip_sync``. Every mouth is compared
with every sound, with a map fitted without these two people. Prints how often the speaker's face is
chosen, and how often by face size alone; how well ``measure_sync`` separates speaking from
listening (AUC); and for several thresholds, how often the speaker's face is chosen and above it,
and how often both faces are below it with a third person's sound; also for the threshold that keeps
90 % of the other people's own faces. ``--fit FILE`` writes the map fitted on all films.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, permutations, product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

from mmerc.media.decode import SAMPLE_RATE, frame_times, probe, read_clip, read_frames
from mmerc.media.faces.detector import FaceDetector
from mmerc.media.faces.following import follow_faces
from mmerc.media.faces.lip_sync import describe_mouths, describe_sound, measure_mouth, measure_sync
from mmerc.media.faces.speaking import LOOKS_PER_SECOND
from mmerc.media.faces.tracks import Track, link_faces
from mmerc.media.segment import Clip

_SEEN = 20  # frames in which faces are detected, as in an analysis
_PART = 72  # frames: longer films are cut
_PENALTY = 300.0
_Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Part:
    """2.9 s of a talking face. Shape: looks [72, 81], sound [71, 126]."""

    person: str
    looks: _Array
    sound: _Array
    side: float


def read_parts(path: Path, detector: FaceDetector) -> list[Part]:
    """The parts of one film of one face."""
    length = (probe(path).duration or 0.0) - 0.1
    times = frame_times(0.0, length, round(length * LOOKS_PER_SECOND))
    frames = [frame.pixels for frame in read_frames(path, times, height=480)]
    places = np.linspace(0, len(frames) - 1, _SEEN).round().astype(int)
    tracks = link_faces(follow_faces(detector, [frames[i] for i in places]))
    track: Track = max(tracks, key=lambda item: item.side * len(item.faces))
    (looks,) = describe_mouths([track], seen=[times[i] for i in places], frames=frames, times=times)
    samples = read_clip(Clip(path))
    parts = []
    for first in range(0, len(frames) - _PART + 1, _PART):
        start = round(times[first] * SAMPLE_RATE)
        cut = samples[start : start + round(_PART / LOOKS_PER_SECOND * SAMPLE_RATE)]
        sound = describe_sound(cut, [times[first + i] - times[first] for i in range(_PART)])
        part = looks[first : first + _PART]
        parts.append(Part(person=path.stem, looks=part, sound=sound, side=track.side))
    return parts


def fit(parts: Sequence[Part]) -> _Array:
    """The ridge regression from sound to mouth. Shape: -> [126, 4]."""
    sound = np.concatenate([part.sound for part in parts])
    mouth = np.concatenate([measure_mouth(part.looks) for part in parts])
    weights: _Array = np.linalg.solve(
        sound.T @ sound + _PENALTY * np.eye(sound.shape[1]), sound.T @ mouth
    )
    return weights


def score_all(parts: Sequence[Part]) -> _Array:
    """Sync of all mouths and voices, by maps fitted without both people. Shape: -> [n, n]."""
    names = [part.person for part in parts]
    maps = {
        frozenset(pair): fit([part for part in parts if part.person not in pair])
        for pair in product(names, names)
    }
    scores = [
        [measure_sync(m.looks, s.sound @ maps[frozenset((m.person, s.person))]) for s in parts]
        for m in parts
    ]
    return np.array(scores, dtype=np.float64)


def report(title: str, scores: _Array, parts: Sequence[Part]) -> None:
    """Print the figures for every pair of people, with everybody's audio."""
    names = [part.person for part in parts]
    pairs = [(i, j) for i, j in combinations(range(len(parts)), 2) if names[i] != names[j]]
    right, larger, own, other, kept, thirds, nobody = [], [], [], [], [], [], []
    for i, j in pairs:
        rest = [k for k in range(len(parts)) if names[k] not in (names[i], names[j])]
        threshold = np.quantile(np.diag(scores)[rest], 0.1)
        thirds += [max(scores[i, k], scores[j, k]) for k in rest]
        nobody += [max(scores[i, k], scores[j, k]) < threshold for k in rest]
        for speaker, listener in permutations((i, j)):
            right.append(scores[speaker, speaker] > scores[listener, speaker])
            larger.append(parts[speaker].side > parts[listener].side)
            own.append(scores[speaker, speaker])
            kept.append(right[-1] and own[-1] >= threshold)
            other.append(scores[listener, speaker])
    auc = np.mean(np.array(own)[:, None] > np.array(other)[None])
    print(f"{title}: {len(right)} choices, the speaker's face {sum(right)}, by size {sum(larger)}")
    print(f"  AUC of speaking against listening {auc:.3f}")
    print(
        f"  threshold from other people: kept and correct {np.mean(kept):.2f}, "
        f"nobody with a third person's sound {np.mean(nobody):.2f} of {len(nobody)}"
    )
    for threshold in (0.8, 1.0, 1.2, 1.4, 1.6):
        share = np.mean([a and b >= threshold for a, b in zip(right, own, strict=True)])
        print(
            f"  threshold {threshold}: kept and right {share:.2f}, "
            f"nobody {np.mean(np.array(thirds) < threshold):.2f}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("films", type=Path, nargs="*")
    parser.add_argument("--fit", type=Path)
    arguments = parser.parse_args()
    detector = FaceDetector(smallest=60)
    folder = sorted(arguments.folder.glob("*.mpg"))
    parts = [part for path in (*folder, *arguments.films) for part in read_parts(path, detector)]
    scores = score_all(parts)
    first = [i for i, part in enumerate(parts) if part.person in {p.stem for p in folder}]
    report(str(arguments.folder), scores[np.ix_(first, first)], [parts[i] for i in first])
    if arguments.films:
        report("all films", scores, parts)
    if arguments.fit:
        save_file({"weight": fit(parts).astype(np.float32)}, arguments.fit)


if __name__ == "__main__":
    main()
