"""Is a speaker's face re-identified after a cut, and is its absence detected?

    python benchmarks/faces_across_cuts.py FOLDER    # films (.mpg) of one talking face each

Each three people form a conversation of 14 utterances. Two are shown alone and side by side, in
shots of different size, light, side and sharpness. Three utterances show only the other one of the
two (who is talking about something else), and the third person is heard three times but never seen.
Mouths are compared with sounds by maps fitted without the two people (``whose_face_speaks.py``);
nothing else is fitted. Prints how often the right face is chosen, or none if the speaker is not on
screen, with and without information from other utterances.
"""

from __future__ import annotations

import argparse
from collections import Counter
from itertools import permutations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, zoom

from mmerc.features.speaker_faces import nobody_speaks
from mmerc.features.speaker_people import choose_speakers_faces
from mmerc.features.store import FeatureRow, FeatureSpec, FeatureTable
from mmerc.media.decode import frame_times, probe, read_frames
from mmerc.media.faces.detector import FaceDetector, Frame
from mmerc.media.faces.identity import encode_faces
from mmerc.media.faces.lip_sync import weigh_sync
from whose_face_speaks import read_parts, score_all

_FRAMES, _TRACKS = 8, 4
_SHOTS = 5
# Utterances: speaker (C is never seen), and visible people.
_SCRIPT = ("A:A", "A:A", "B:B", "B:B", "A:AB", "A:AB", "B:AB", "B:AB",
           "A:B", "B:A", "A:B", "C:A", "C:B", "C:AB")  # fmt: skip


def change_shot(frame: Frame, shot: int) -> Frame:
    """Return the frame: unchanged, mirrored, small and dark, blurred and bright, or close."""
    if shot == 1:
        return np.ascontiguousarray(frame[:, ::-1])
    if shot == 2:
        small = zoom(frame, (0.6, 0.6, 1), order=1)
        return (small * 0.6).astype(np.uint8)
    if shot == 3:
        return np.clip(gaussian_filter(frame, (2, 2, 0)) * 1.3, 0, 255).astype(np.uint8)
    if shot == 4:
        return (zoom(frame[20:, 40:-40], (1.4, 1.4, 1), order=1) * 0.7 + 60).astype(np.uint8)
    return frame


def identify_shots(path: Path, detector: FaceDetector) -> list[NDArray[np.float32] | None]:
    """Return the identity vector of the face in every shot, if found."""
    length = (probe(path).duration or 0.0) - 0.1
    frames = [f.pixels for f in read_frames(path, frame_times(0.0, length, _FRAMES), height=480)]
    vectors: list[NDArray[np.float32] | None] = []
    for shot in range(_SHOTS):
        pictures = [change_shot(frame, shot) for frame in frames]
        faces = detector.detect(pictures)
        seen = [(p, f[0].landmarks) for p, f in zip(pictures, faces, strict=True) if f][:3]
        vectors.append(
            encode_faces([p for p, _ in seen], [f for _, f in seen]).mean(0) if seen else None
        )
    return vectors


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("films", type=Path, nargs="*", help="more films, for the maps only")
    arguments = parser.parse_args()
    detector = FaceDetector(smallest=50)
    paths = sorted(arguments.folder.glob("*.mpg"))
    shots = [identify_shots(path, detector) for path in paths]
    parts = [part for path in (*paths, *arguments.films) for part in read_parts(path, detector)]
    scores = score_all(parts)
    spec = FeatureSpec(modality="video", extractor="faces", dim=1)
    counts: Counter[tuple[str, str]] = Counter()
    for number, people in enumerate(permutations(range(len(paths)), 3)):
        who = dict(zip("ABC", people, strict=True))
        rows, speakers, alone = [], {}, {}
        for place, line in enumerate(_SCRIPT):
            speaker, seen = line.split(":")
            vector = np.zeros((_TRACKS, 6 + 128 + 1), np.float32)
            syncs = []
            for row, letter in zip(vector, seen, strict=False):
                identity = shots[who[letter]][(number + place) % _SHOTS]
                if identity is None:
                    identity = shots[who[letter]][0]
                syncs.append(float(scores[who[letter], who[speaker]]))
                row[:6] = 20, np.log(20 * parts[who[letter]].side), 1, syncs[-1], 0, 19
                row[6:-1], row[-1] = identity, ord(letter)
            rows.append(FeatureRow(conversation="x", utterance=str(place), vector=vector.ravel()))
            speakers[str(place)] = speaker
            weights = [
                np.log(parts[who[s]].side) + weigh_sync(y) for s, y in zip(seen, syncs, strict=True)
            ]
            best = seen[int(np.argmax(weights))]
            alone[str(place)] = None if len(seen) > 1 and nobody_speaks(syncs) else best
        table = FeatureTable(spec=spec, rows={("x", row.utterance): row for row in rows})
        chosen = choose_speakers_faces(table, speakers, spec=spec)
        for place, line in enumerate(_SCRIPT):
            speaker, seen = line.split(":")
            vector = chosen.vector("x", str(place))
            face = None if vector is None else chr(int(vector[0]))
            right = speaker if speaker in seen else None
            kind = "seen alone" if seen == speaker else "seen with another" if right else "not seen"
            counts[kind, "all"] += 1
            counts[kind, "recording"] += face == right
            counts[kind, "utterance"] += alone[str(place)] == right
    for kind in ("seen alone", "seen with another", "not seen"):
        total = counts[kind, "all"]
        print(
            f"speaker {kind}: {total} utterances, right {counts[kind, 'recording'] / total:.3f}, "
            f"utterance by utterance {counts[kind, 'utterance'] / total:.3f}"
        )


if __name__ == "__main__":
    main()
