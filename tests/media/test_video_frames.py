"""The frame on screen at a given time, upright, for any container and access order."""

import gc
import itertools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from media_files import Film, Sound, corner_names, corners, number_of, tone, write_media

from mmerc.media.decode import Reason, frame_times, probe, read_frames
from mmerc.media.segment import MediaError

VARYING = [0.0, 0.1, 0.15, 0.9, 1.0, 2.5, 2.6]


def numbers(path, times, **settings):
    return [number_of(frame.pixels) for frame in read_frames(path, times, **settings)]


@pytest.mark.parametrize("kind", ["mp4", "mkv", "mov", "avi", "webm"])
def test_latest_started_frame_is_returned(media, kind):
    times = [0.0, 0.039, 0.04, 0.41, 1.5, 1.501, 2.22, 3.97]
    assert numbers(media(kind), times) == [0, 0, 1, 10, 37, 37, 55, 99]


def test_frames_carry_their_requested_time(media):
    frames = list(read_frames(media("mp4"), [0.5, 0.51]))
    assert [frame.time for frame in frames] == [0.5, 0.51]
    assert frames[0].pixels.shape == (48, 64, 3)
    assert frames[0].pixels.dtype == np.uint8


@settings(max_examples=25, deadline=None)
@given(times=st.lists(st.floats(0, 19.99), min_size=1, max_size=4).map(sorted))
def test_seeking_equals_decoding_everything(long_film, times):
    assert numbers(long_film, times) == [int(time * 10 + 1e-5) for time in times]


@pytest.mark.parametrize("kind", ["mp4", "mkv"])
def test_varying_frame_rate(tmp_path, kind):
    path = write_media(tmp_path / f"a.{kind}", film=Film(times=VARYING, clock=1000))
    for number, (begin, end) in enumerate(itertools.pairwise(VARYING)):
        inside = [begin, (begin + end) / 2, end - 0.002]
        assert numbers(path, inside) == [number] * 3
    assert numbers(path, VARYING) == list(range(len(VARYING)))


def test_avi_b_frames_stay_in_order(tmp_path):
    """AVI has no timestamps for them: they are late by the encoder's number of lookahead frames."""
    path = write_media(tmp_path / "a.avi", film=Film())
    actual = numbers(path, [i / 25 for i in range(75)])
    assert actual == [max(number - 2, 0) for number in range(75)]


def test_times_before_a_late_video_give_its_first_frame(tmp_path):
    film = Film(times=[0.8 + i / 25 for i in range(25)])
    path = write_media(tmp_path / "a.mkv", film=film, sound=Sound(samples=tone(2)))
    assert numbers(path, [0.1, 0.79, 0.85, 1.0]) == [0, 0, 1, 5]


def test_repeated_time_gives_the_same_frame(media):
    assert numbers(media("mp4"), [1.0, 1.0, 1.001, 1.039]) == [25] * 4


@pytest.mark.parametrize("kind", ["mp4", "mkv", "avi"])
def test_times_past_the_end(media, kind):
    frames = read_frames(media(kind), [3.9, 3.98, 4.2])
    assert [number_of(frame.pixels) for frame in itertools.islice(frames, 2)] == [97, 99]
    with pytest.raises(MediaError, match="past the end of the film; check") as caught:
        next(frames)
    assert caught.value.reason == Reason.PAST_FILM
    with pytest.raises(MediaError, match="past the end"):
        numbers(media(kind), [900.0])


@pytest.mark.parametrize("times", [[1.0, 0.5], [0.5, float("nan")], [float("nan")], [float("inf")]])
def test_times_must_ascend(media, times):
    with pytest.raises(ValueError, match="ascend"):
        numbers(media("mp4"), times)


def test_no_times_give_no_frames(media):
    assert numbers(media("mp4"), []) == []


@pytest.mark.parametrize(
    ("rotation", "mirrored", "expected"),
    [
        (0, False, ["red", "green", "blue", "white"]),
        (90, False, ["green", "white", "red", "blue"]),
        (-90, False, ["blue", "red", "white", "green"]),
        (180, False, ["white", "blue", "green", "red"]),
        (0, True, ["green", "red", "white", "blue"]),
        (90, True, ["white", "green", "blue", "red"]),
    ],
)
def test_rotated_video(tmp_path, rotation, mirrored, expected):
    film = Film(times=[0.0, 0.04], rotation=rotation, mirrored=mirrored, picture=corners())
    path = write_media(tmp_path / "a.mp4", film=film)
    (frame,) = read_frames(path, [0.02])
    assert corner_names(frame.pixels) == expected
    assert frame.pixels.shape == ((64, 48, 3) if rotation in {90, -90} else (48, 64, 3))
    info = probe(path)
    assert (info.height, info.width) == frame.pixels.shape[:2]


@pytest.mark.parametrize(
    ("height", "rotation", "shape"),
    [(24, 0, (24, 32)), (32, 90, (32, 24)), (48, 0, (48, 64)), (1000, 0, (48, 64))],
)
def test_large_video_is_scaled_down(tmp_path, height, rotation, shape):
    film = Film(times=[0.0, 0.04], rotation=rotation, picture=corners())
    path = write_media(tmp_path / "a.mp4", film=film)
    (frame,) = read_frames(path, [0.0], height=height)
    assert frame.pixels.shape == (*shape, 3)
    assert set(corner_names(frame.pixels)) == {"red", "green", "blue", "white"}


def test_non_square_pixels(tmp_path):
    path = write_media(tmp_path / "a.mp4", film=Film(aspect=Fraction(2)))
    (frame,) = read_frames(path, [1.0])
    assert frame.pixels.shape == (48, 128, 3)
    assert number_of(frame.pixels) == 25
    assert probe(path).width == 128


@given(st.floats(0, 1e4), st.floats(0.01, 100), st.integers(1, 50))
def test_frame_times_are_centres_of_equal_parts(start, length, count):
    times = frame_times(start, start + length, count)
    assert len(times) == count
    assert times[0] - start == pytest.approx(length / count / 2, abs=1e-6)
    np.testing.assert_allclose(np.diff(times), length / count, atol=1e-6)
    assert start < times[0] <= times[-1] < start + length


def test_read_frames_leave_no_garbage(media):
    """Decoded frames are large: they must be freed with their last reference."""
    list(read_frames(media("mkv"), [0.1, 0.4]))
    gc.collect()
    gc.disable()
    try:
        list(read_frames(media("mkv"), [0.1, 0.4]))
        assert gc.collect() == 0
    finally:
        gc.enable()
