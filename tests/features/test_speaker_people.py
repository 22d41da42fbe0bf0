"""Speakers of a recording are matched with people on screen."""

import tracemalloc

import numpy as np
import pytest
import scipy.optimize  # noqa: F401 - imported early, so that it does not count as memory for faces
import sklearn.cluster  # noqa: F401

from mmerc.features.face_tracks import read_faces
from mmerc.features.speaker_faces import NOT_ON_SCREEN
from mmerc.features.speaker_people import choose_speakers_faces
from mmerc.features.store import FeatureRow, FeatureSpec, FeatureTable
from mmerc.media.faces import people

SPEC = FeatureSpec(modality="video", extractor="denseface", dim=2)
PEOPLE = dict(zip("ABC", np.eye(128, dtype=np.float32)[:3], strict=True))
OWN, OTHER = 2.0, 0.2


def pack(*faces):
    """Faces as ``FaceTracks`` stores them: who, sync (None: unknown), and first and last frame."""
    rows = np.zeros((4, 6 + 128 + 2), np.float32)
    for row, (who, sync, first, last) in zip(rows, faces, strict=False):
        row[:6] = last - first + 1, np.log(100), sync is not None, sync or 0, first, last
        row[6:134], row[134:] = PEOPLE[who], (ord(who), first)
    return rows.ravel()


def choose(*utterances):
    """The faces chosen for utterances with a speaker and (person, sync) pairs; "" means no face."""
    rows, speakers = {}, {}
    for number, (speaker, *faces) in enumerate(utterances):
        vector = pack(*((*face, 0, 19) if len(face) == 2 else face for face in faces))
        rows["x", str(number)] = FeatureRow(
            conversation="x", utterance=str(number), vector=vector if faces else None,
            absent_because=None if faces else "no face in any frame",
        )  # fmt: skip
        speakers[str(number)] = speaker
    spec = FeatureSpec(modality="video", extractor="tracks", dim=4 * 136)
    chosen = choose_speakers_faces(FeatureTable(spec=spec, rows=rows), speakers, spec=SPEC)
    assert chosen.spec == SPEC
    assert list(chosen.rows) == list(rows)
    return chosen


def faces_of(table):
    return ["" if row.vector is None else chr(int(row.vector[0])) for row in table.rows.values()]


def test_faces_are_stored_and_loaded():
    (first, second) = read_faces(pack(("A", 1.5, 0, 9), ("B", None, 12, 19)))
    assert (first.sync, first.first, first.last, first.count) == (1.5, 0, 9, 10)
    assert (second.sync, second.count) == (None, 8)
    assert first.identity.tolist() == PEOPLE["A"].tolist()
    assert second.vector.tolist() == [ord("B"), 12]


def test_face_seen_once_with_its_voice_is_recognised_later():
    seen = [("1", ("A", OWN)), ("2", ("B", OWN)), ("1", ("A", OWN)), ("2", ("B", OWN))]
    both = ("A", None), ("B", None)  # too short to compare mouth and voice
    assert faces_of(choose(*seen, ("1", *both), ("2", *both))) == [*"ABAB", "A", "B"]


def test_face_of_the_listener_is_not_used():
    seen = [("1", ("A", OWN)), ("2", ("B", OWN)), ("1", ("A", OWN)), ("2", ("B", OWN))]
    table = choose(*seen, ("1", ("B", OTHER)), ("2", ("A", OTHER)), ("1",))
    assert faces_of(table) == [*"ABAB", "", "", ""]
    reasons = [row.absent_because for row in table.rows.values()]
    assert reasons[4:] == [NOT_ON_SCREEN, NOT_ON_SCREEN, "no face in any frame"]


def test_voice_never_on_screen_has_no_face():
    seen = [("1", ("A", OWN)), ("1", ("A", OWN)), ("off", ("A", OTHER)), ("off", ("A", OTHER))]
    assert faces_of(choose(*seen)) == ["A", "A", "", ""]


def test_person_split_into_two_speakers_keeps_the_face():
    seen = [("1", ("A", OWN)), ("1", ("A", OWN)), ("2", ("A", OWN)), ("2", ("A", None))]
    assert faces_of(choose(*seen)) == ["A", "A", "A", "A"]


def test_unknown_person_with_mismatched_mouth_is_not_used():
    seen = [("1", ("A", OWN)), ("1", ("A", OWN))]
    assert faces_of(choose(*seen, ("2", ("B", OTHER), ("C", OTHER)))) == ["A", "A", ""]
    assert faces_of(choose(*seen, ("2", ("B", OTHER), ("C", OWN)))) == ["A", "A", "C"]


def test_faces_before_and_after_a_cut_are_averaged():
    both = choose(("1", ("A", OWN, 0, 4), ("A", OWN, 10, 19)), ("1", ("A", OWN)))
    assert both.rows["x", "0"].vector.tolist() == [ord("A"), pytest.approx(10 * 10 / 15)]


def test_recording_without_faces():
    assert faces_of(choose(("1",), ("2",))) == ["", ""]


def test_memory_grows_linearly_with_faces(monkeypatch):
    monkeypatch.setattr(people, "_MOST_GROUPED", 50)
    scenes = [("ann", ("A", OWN)), ("bob", ("B", OWN))] * 3000
    tracemalloc.start()
    try:
        chosen = choose(*scenes)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert faces_of(chosen) == ["A", "B"] * 3000
    assert peak < 80e6  # pairs of all faces would take 36 MB several times, vectors take 13 MB
