"""Whose mouth goes with the voice: faces that are drawn, with mouths that open as told."""

import numpy as np
import pytest

from mmerc.media.faces.alignment import _TEMPLATE
from mmerc.media.faces.detector import Face
from mmerc.media.faces.speaking import _agreement, _mouth_motion, choose, sound_energy
from mmerc.media.faces.tracks import Track

RATE = 16000
TIMES = np.arange(20) * 0.15


def draw(frame, x, y, side, opening):
    """A face on ``frame``: a light square, eyes, and a dark mouth as high as its opening."""
    frame[y : y + side, x : x + side] = 190
    for left, top in _TEMPLATE[:2]:
        frame[y + int(top * side) - 2 :][:5, x + int(left * side) - 2 :][:, :5] = 40
    height = max(1, int(opening * side * 0.15))
    mouth = y + int(0.77 * side)
    frame[mouth - height // 2 :][:height, x + int(0.35 * side) : x + int(0.65 * side)] = 30
    box = np.array([x, y, x + side, y + side], np.float32)
    return Face(box, 0.99, (_TEMPLATE * side + [x, y]).astype(np.float32))


@pytest.fixture
def scene():
    """A smaller face whose mouth moves when it is loud, a larger one that moves when it is not."""
    generator = np.random.default_rng(0)
    loud = generator.random(len(TIMES) - 1) > 0.5
    frames, small, large = [], {}, {}
    openings = np.array([0.0, 0.0])
    for i in range(len(TIMES)):
        frame = generator.integers(90, 110, (240, 320, 3), dtype=np.uint8)
        if i:
            moves = np.array([loud[i - 1], not loud[i - 1]])
            openings = np.where(moves, 1 - openings, openings)
        small[i] = draw(frame, 20, 30, 90, openings[0])
        large[i] = draw(frame, 180, 40, 100, openings[1])
        frames.append(frame)
    energy = np.concatenate([[0], np.cumsum(np.where(loud, 1.0, 0.1))])
    level = np.diff(energy, prepend=0)
    return frames, Track(small), Track(large), (level + np.append(level[1:], 0)) / 2


def test_the_speaker_is_the_one_whose_mouth_goes_with_the_voice(scene):
    frames, small, large, energy = scene
    assert _agreement(small, frames, energy) > 0.5
    assert _agreement(large, frames, energy) < -0.5
    for tracks in ([small, large], [large, small]):
        assert choose(tracks, frames=frames, energy=energy) == [small]
        assert choose(tracks, frames=frames, energy=energy, mode="speaking") == [small]
        assert choose(tracks, frames=frames, energy=energy, mode="largest") == [large]
        assert choose(tracks, frames=frames, energy=energy, mode="all") == [large, small]


def test_without_sound_the_larger_face_is_taken(scene):
    frames, small, large, _ = scene
    assert choose([small, large], frames=frames) == [large]
    assert choose([small, large], frames=frames, energy=np.zeros(len(frames))) == [large]


def test_a_face_that_is_seldom_there_weighs_less(scene):
    frames, small, large, _ = scene
    glimpse = Track({i: large.faces[i] for i in range(10)})
    assert choose([glimpse, small], frames=frames, mode="largest") == [small]


@pytest.mark.parametrize("mode", ["speaking", "largest", "all"])
def test_nobody_there(mode):
    assert choose([], frames=[], energy=np.zeros(0), mode=mode) == []


@pytest.mark.parametrize("faces", [1, 2, 3])
def test_of_a_few_faces_nothing_can_be_said(scene, faces):
    frames, small, _, energy = scene
    assert _agreement(Track({i: small.faces[i] for i in range(faces)}), frames, energy) == 0


def test_a_face_that_moves_as_a_whole_does_not_speak():
    frames, faces = [], {}
    for i in range(6):
        frame = np.full((240, 320, 3), 100, np.uint8)
        faces[i] = draw(frame, 20 + 16 * i, 30 + 8 * i, 96, 0.5)
        frames.append((frame * (1 - 0.02 * i)).astype(np.uint8))
    assert _mouth_motion(Track(faces), frames).max() < 2
    opened = draw(frames[5], 100, 70, 96, 1.0)
    assert _mouth_motion(Track({**faces, 5: opened}), frames)[-1] > 5


def test_energy_is_the_root_mean_square_around_each_time():
    samples = np.concatenate([np.zeros(RATE), np.full(RATE, 0.5), np.full(RATE, -0.25)])
    times = [-1.0, 0.5, 1.5, 2.0, 2.5, 2.99, 7.0]
    actual = sound_energy(samples.astype(np.float32), rate=RATE, times=times, window=0.1)
    middle = np.sqrt((0.5**2 + 0.25**2) / 2)
    np.testing.assert_allclose(actual, [0, 0, 0.5, middle, 0.25, 0.25, 0], atol=1e-6)


@pytest.mark.parametrize(("samples", "times"), [([], [0.0, 1.0]), ([0.1], []), ([0.1], [0.0])])
def test_energy_of_next_to_nothing(samples, times):
    actual = sound_energy(np.array(samples, np.float32), rate=RATE, times=times)
    assert actual.shape == (len(times),)
    assert np.isfinite(actual).all()
