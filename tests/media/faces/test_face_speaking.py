"""The face whose mouth matches the voice, for drawn faces whose mouths open at given times."""

import numpy as np
import pytest

from mmerc.media.faces.alignment import _TEMPLATE
from mmerc.media.faces.detector import Face
from mmerc.media.faces.lip_sync import describe_mouths
from mmerc.media.faces.speaking import (
    LOOKS_PER_SECOND,
    choose,
    mouth_agreement,
    sound_energy,
    weigh_agreement,
)
from mmerc.media.faces.tracks import Track

RATE = 16000
COUNT = 75
TIMES = np.arange(COUNT) / LOOKS_PER_SECOND
SEEN = range(0, COUNT, 4)  # frames in which faces are detected


def draw(frame, x, y, side, opening):
    """A face on ``frame``: a light square, eyes, and a dark mouth with the given opening."""
    frame[y : y + side, x : x + side] = 190
    for left, top in _TEMPLATE[:2]:
        frame[y + int(top * side) - 2 :][:5, x + int(left * side) - 2 :][:, :5] = 40
    height = max(1, int(opening * side * 0.15))
    mouth = y + int(0.77 * side)
    frame[mouth - height // 2 :][:height, x + int(0.35 * side) : x + int(0.65 * side)] = 30
    box = np.array([x, y, x + side, y + side], np.float32)
    return Face(box, 0.99, (_TEMPLATE * side + [x, y]).astype(np.float32))


@pytest.fixture(scope="module")
def scene():
    """A smaller face whose mouth follows the audio, and a larger one with its own rhythm."""
    generator = np.random.default_rng(0)
    changes = generator.random((COUNT, 2)) > 0.7
    openings = 0.2 + 0.6 * (np.cumsum(changes, axis=0) % 2)
    frames, small, large = [], {}, {}
    for i in range(COUNT):
        frame = generator.integers(90, 110, (240, 320, 3), dtype=np.uint8)
        faces = draw(frame, 20, 30, 90, openings[i, 0]), draw(frame, 180, 40, 100, openings[i, 1])
        if i in SEEN:
            small[i // 4], large[i // 4] = faces
        frames.append(frame)
    energy = np.where(openings[:, 0] > 0.5, 0.3, 0.03) * generator.uniform(0.9, 1.1, COUNT)
    return frames, Track(small), Track(large), energy


def openings_of(scene, *tracks):
    looks = describe_mouths(tracks, seen=[TIMES[i] for i in SEEN], frames=scene[0], times=TIMES)
    return looks[..., 0]


def test_speaker_is_the_face_whose_mouth_matches_the_voice(scene):
    _, small, large, energy = scene
    for tracks in ([small, large], [large, small]):
        agreements = [mouth_agreement(o, energy) for o in openings_of(scene, *tracks)]
        own = agreements[tracks.index(small)]
        assert own.mean() > 0.5 > abs(agreements[tracks.index(large)].mean()) + 0.2
        log_odds = [weigh_agreement(agreement) for agreement in agreements]
        assert choose(tracks, log_odds=log_odds) == [small]
        assert choose(tracks, log_odds=log_odds, mode="largest") == [large]
        assert choose(tracks, log_odds=log_odds, mode="all") == [large, small]


def test_agreement_is_the_correlation_of_changes(scene):
    energy = scene[3]
    (openings,) = openings_of(scene, scene[1])
    loudness = [np.log(e + 0.001 * max(energy)) for e in energy]
    expected = [
        (abs(openings[i + 1] - openings[i]), abs(loudness[i + 1] - loudness[i]))
        for i in range(COUNT - 1)
        if not np.isnan(openings[i]) and not np.isnan(openings[i + 1])
    ]
    actual = mouth_agreement(openings, energy)
    assert len(actual) == len(expected) == 72  # the last face is visible in frame 72
    assert actual.mean() == pytest.approx(np.corrcoef(np.array(expected).T)[0, 1])


def test_evidence_against_size():
    faces = [draw(np.zeros((240, 320, 3), np.uint8), 0, 0, side, 0.5) for side in (50, 100)]
    small, large = (Track(dict.fromkeys(range(5), face)) for face in faces)
    enough = np.full(10, 0.36)  # 0.2 x 3.6 = 0.72: a face twice as large needs log 2 = 0.69
    for share, expected in ((1.0, small), (0.9, large)):
        log_odds = [weigh_agreement(np.zeros(0)), weigh_agreement(share * enough)]
        assert choose([large, small], log_odds=log_odds) == [expected]


def test_larger_face_is_chosen_without_audio(scene):
    _, small, large, _ = scene
    silent = [mouth_agreement(o, np.zeros(COUNT)) for o in openings_of(scene, small, large)]
    assert [len(agreement) for agreement in silent] == [0, 0]
    assert choose([small, large]) == [large]
    assert choose([small, large], log_odds=[weigh_agreement(a) for a in silent]) == [large]


def test_rarely_visible_face_has_less_weight(scene):
    _, small, large, _ = scene
    glimpse = Track({i: large.faces[i] for i in range(8)})
    assert choose([glimpse, small], mode="largest") == [small]


@pytest.mark.parametrize("mode", ["speaking", "largest", "all"])
def test_no_faces(mode):
    assert choose([], log_odds=[], mode=mode) == []
    assert describe_mouths([], seen=[], frames=[], times=[]).shape == (0, 0, 81)


def test_face_counts_only_while_seen(scene):
    _, small, _, energy = scene
    brief = Track({i: small.faces[i] for i in (2, 3, 4)})  # frames 8 to 16
    (openings,) = openings_of(scene, brief)
    assert np.flatnonzero(np.isfinite(openings)).tolist() == list(range(8, 17))
    assert len(mouth_agreement(openings, energy)) == 0  # eight changes are too few
    assert len(mouth_agreement(openings_of(scene, small)[0][:11], energy[:11])) == 10


def test_moving_face_is_not_mistaken_for_speaking():
    frames, faces = [], {}
    for i in range(6):
        frame = np.full((240, 320, 3), 100, np.uint8)
        faces[i] = draw(frame, 20 + 16 * i, 30 + 8 * i, 96, 0.5)
        frames.append((frame * (1 - 0.02 * i)).astype(np.uint8))
    seen = list(range(6))
    still = describe_mouths([Track(faces)], seen=seen, frames=frames, times=seen)[..., 0]
    opened = draw(frames[5], 100, 70, 96, 1.0)
    moving = Track({**faces, 5: opened})
    moved = describe_mouths([moving], seen=seen, frames=frames, times=seen)[..., 0]
    assert np.abs(np.diff(still)).max() < 8
    assert moved[0, 5] - moved[0, 4] > 15


def test_energy_is_the_root_mean_square_around_each_time():
    samples = np.concatenate([np.zeros(RATE), np.full(RATE, 0.5), np.full(RATE, -0.25)])
    times = [-1.0, 0.5, 1.5, 2.0, 2.5, 2.99, 7.0]
    actual = sound_energy(samples.astype(np.float32), rate=RATE, times=times, window=0.1)
    middle = np.sqrt((0.5**2 + 0.25**2) / 2)
    np.testing.assert_allclose(actual, [0, 0, 0.5, middle, 0.25, 0.25, 0], atol=1e-6)


@pytest.mark.parametrize(("samples", "times"), [([], [0.0, 1.0]), ([0.1], []), ([0.1], [0.0])])
def test_energy_of_very_short_audio(samples, times):
    actual = sound_energy(np.array(samples, np.float32), rate=RATE, times=times)
    assert actual.shape == (len(times),)
    assert np.isfinite(actual).all()
