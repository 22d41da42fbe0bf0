"""Match speakers of a recording with people on screen, to choose the face of each utterance.

Faces of all utterances are grouped into people. A speaker is matched with the person who is visible
most, with a mouth that agrees with the sound, while the speaker talks; a person is at most one
speaker.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mmerc.features.face_tracks import SeenFace, read_faces
from mmerc.features.speaker_faces import NOT_ON_SCREEN, SPEAKING_SYNC, nobody_speaks
from mmerc.features.store import FeatureRow, FeatureSpec, FeatureTable, Vector
from mmerc.media.faces.lip_sync import weigh_sync
from mmerc.media.faces.people import group_faces

# [decided] A speaker's face counts as known after about two utterances in which it probably speaks;
# mouth and sound must agree better than when shifted, by half a standard deviation on average.
_FEWEST_UTTERANCES = 1.5
_OWN_SYNC = 0.5


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Scene:
    """An utterance with its faces, their persons, and the probability that each speaks."""

    row: FeatureRow
    speaker: str
    faces: Sequence[SeenFace]
    people: Sequence[int]
    chances: Sequence[float]


def choose_speakers_faces(
    table: FeatureTable, speakers: Mapping[str, str], *, spec: FeatureSpec
) -> FeatureTable:
    """Choose a face for every utterance of a recording from a table of ``FaceTracks``.

    ``speakers``: utterance id to speaker. ``spec``: specification of the chosen vectors. The vector
    is absent if the speaker is not on screen.
    """
    scenes = _read_scenes(table, speakers)
    owners = _join(scenes)
    syncs = _collect_syncs(scenes)
    rows = {key: row for key, row in table.rows.items() if row.vector is None}
    for scene in scenes:
        person = _choose_person(scene, owners, syncs)
        vector = None if person is None else _average(scene, person)
        reason = NOT_ON_SCREEN if vector is None else None
        key = (scene.row.conversation, scene.row.utterance)
        rows[key] = replace(scene.row, vector=vector, absent_because=reason)
    return FeatureTable(spec=spec, rows={key: rows[key] for key in table.rows})


def _read_scenes(table: FeatureTable, speakers: Mapping[str, str]) -> list[_Scene]:
    """Read all utterances with visible faces."""
    seen = [
        (row, list(read_faces(row.vector))) for row in table.rows.values() if row.vector is not None
    ]
    people = iter(_group([faces for _, faces in seen]).tolist())
    return [
        _Scene(
            row=row,
            speaker=speakers.get(row.utterance, ""),
            faces=faces,
            people=[next(people) for _ in faces],
            chances=_weigh(faces),
        )
        for row, faces in seen
    ]


def _group(scenes: Sequence[Sequence[SeenFace]]) -> NDArray[np.intp]:
    """Group faces into people; faces visible at the same time belong to different people."""
    places = [(n, face) for n, faces in enumerate(scenes) for face in faces]
    if not places:
        return np.zeros(0, np.intp)
    number = np.array([n for n, _ in places])
    first, last = (np.array([getattr(f, end) for _, f in places]) for end in ("first", "last"))

    def together(chosen: slice) -> NDArray[np.bool_]:
        scene, begin, end = number[chosen], first[chosen], last[chosen]
        seen: NDArray[np.bool_] = (
            (scene[:, None] == scene) & (begin[:, None] <= end) & (end[:, None] >= begin)
        )
        np.fill_diagonal(seen, False)
        return seen

    return group_faces(np.stack([face.identity for _, face in places]), together)


def _weigh(faces: Sequence[SeenFace]) -> list[float]:
    """Return each face's probability of speaking; the rest is for an invisible speaker."""
    largest = max(face.weight for face in faces)
    odds = np.exp([face.weight - largest + weigh_sync(face.sync) for face in faces])
    chances: list[float] = (odds / (1 + odds.sum())).tolist()
    return chances


def _join(scenes: Sequence[_Scene]) -> dict[str, int]:
    """Match each known speaker with a person."""
    from scipy.optimize import linear_sum_assignment  # slow to import

    names = sorted({scene.speaker for scene in scenes})
    count = 1 + max((person for scene in scenes for person in scene.people), default=-1)
    scores = np.zeros((len(names), count))
    for scene in scenes:
        for person, chance in zip(scene.people, scene.chances, strict=True):
            scores[names.index(scene.speaker), person] += chance
    syncs = _collect_syncs(scenes)
    pairs = zip(*linear_sum_assignment(scores, maximize=True), strict=True)
    return {
        names[row]: int(person)
        for row, person in pairs
        if scores[row, person] >= _FEWEST_UTTERANCES
        and np.mean(syncs.get((names[row], int(person)), [_OWN_SYNC])) >= _OWN_SYNC
    }


def _collect_syncs(scenes: Sequence[_Scene]) -> dict[tuple[str, int], list[float]]:
    """Collect the agreement of each person's mouth with each speaker's sound, per utterance."""
    syncs: dict[tuple[str, int], list[float]] = defaultdict(list)
    for scene in scenes:
        for person, face in zip(scene.people, scene.faces, strict=True):
            if face.sync is not None:
                syncs[scene.speaker, person].append(face.sync)
    return dict(syncs)


def _choose_person(
    scene: _Scene,
    owners: Mapping[str, int],
    syncs: Mapping[tuple[str, int], Sequence[float]],
) -> int | None:
    """Choose the person who speaks in an utterance; None if not on screen."""
    person = owners.get(scene.speaker)
    if person is not None:
        return person if person in scene.people else None
    others = set(owners.values())
    free = [n for n, person in enumerate(scene.people) if person not in others]
    if not free:  # matched with another speaker: accepted only if the mouth fits
        free = [n for n, person in enumerate(scene.people) if _fits(scene.speaker, person, syncs)]
    elif len(scene.faces) > 1 and nobody_speaks([scene.faces[n].sync for n in free]):
        return None
    return scene.people[max(free, key=lambda n: scene.chances[n])] if free else None


def _fits(speaker: str, person: int, syncs: Mapping[tuple[str, int], Sequence[float]]) -> bool:
    """Whether a person's mouth may produce a speaker's sound, as far as known."""
    return bool(np.mean(syncs.get((speaker, person), [SPEAKING_SYNC])) >= SPEAKING_SYNC)


def _average(scene: _Scene, person: int) -> Vector:
    """Average the vectors of a person's faces in an utterance, weighted by frames."""
    chosen = [face for face, who in zip(scene.faces, scene.people, strict=True) if who == person]
    weights = np.array([face.count for face in chosen], np.float32)
    mean: Vector = np.average([face.vector for face in chosen], axis=0, weights=weights)
    return mean.astype(np.float32)
