"""Continuing from earlier frames gives the same frames as seeking."""

import shutil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from media_files import Film, number_of, write_media

from mmerc.media import film_reader
from mmerc.media.decode import FilmReader, Reason, read_frames
from mmerc.media.segment import MediaError


@pytest.fixture
def openings(monkeypatch):
    """The times at which a video was opened."""
    times = []
    opened_at = film_reader.opened_at

    def counted(path, pick, *, time):
        times.append(time)
        return opened_at(path, pick, time=time)

    monkeypatch.setattr(film_reader, "opened_at", counted)
    return times


def numbers(reader, path, times):
    return [number_of(frame.pixels) for frame in reader.read(path, times)]


@settings(max_examples=25, deadline=None)
@given(
    utterances=st.lists(
        st.lists(st.floats(0, 19.99), min_size=1, max_size=3).map(sorted), min_size=1, max_size=5
    )
)
def test_order_of_utterances_does_not_change_frames(long_film, utterances):
    reader = FilmReader()
    for times in utterances:
        assert numbers(reader, long_film, times) == [int(time * 10 + 1e-5) for time in times]


def test_nearby_times_are_decoded_without_seeking(long_film, openings):
    reader = FilmReader()
    for start in (2.0, 3.0, 3.0, 7.5):
        assert numbers(reader, long_film, [start, start + 0.5])[0] == int(start * 10)
    assert openings == [2.0, 3.0]  # the second time at 3.0 is before 3.5


def test_distant_time_is_reached_by_seeking(long_film, openings):
    reader = FilmReader()
    assert numbers(reader, long_film, [1.0, 18.0]) == [10, 180]
    assert openings == [1.0, 18.0]


def test_replaced_file_of_the_same_name_is_reopened(tmp_path, media, long_film):
    path = tmp_path / "a.mkv"
    shutil.copy(media("mkv"), path)
    reader = FilmReader()
    assert numbers(reader, path, [0.5]) == [12]
    shutil.copy(long_film, path)
    assert numbers(reader, path, [0.6]) == [6]
    assert numbers(reader, media("mkv"), [0.6]) == [15]


def test_earlier_times_can_be_read_after_the_end(media):
    reader = FilmReader()
    with pytest.raises(MediaError, match="past the end of the film"):
        numbers(reader, media("mp4"), [3.9, 4.2])
    assert numbers(reader, media("mp4"), [3.9]) == [97]
    with pytest.raises(MediaError, match="past the end of the film"):
        numbers(reader, media("mp4"), [4.2])


def test_damage_before_an_utterance_does_not_matter(tmp_path):
    """A reader that starts before the damage equals a new one."""
    path = write_media(tmp_path / "a.mkv", film=Film())
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 60] = b"\xff" * 60
    path.write_bytes(data)
    reader = FilmReader()
    for start in (i / 4 for i in range(12)):
        assert outcome(reader.read, path, [start]) == outcome(read_frames, path, [start])


def outcome(read, path, times):
    """The pixels at given times, or the reason for having none."""
    try:
        return [frame.pixels.tobytes() for frame in read(path, times)]
    except MediaError as error:
        return Reason(error.reason)


def test_concurrent_reads_do_not_interfere(long_film):
    reader = FilmReader()
    early, late = (reader.read(long_film, [start, start + 1]) for start in (1.0, 15.0))
    frames = [next(early), next(late), next(early), next(late)]
    assert [number_of(frame.pixels) for frame in frames] == [10, 150, 20, 160]
