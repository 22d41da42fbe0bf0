"""Frames for faces and mouths are the same whether decoded together or separately."""

from pathlib import Path

import numpy as np
import pytest

from mmerc.features import film_frames
from mmerc.features.film_frames import read_halves, read_with_looks
from mmerc.media.decode import FilmReader, frame_times, probe
from mmerc.media.segment import Clip, MediaError

EXAMPLE = Clip(Path(__file__).parents[2] / "examples" / "photograph.mp4")


@pytest.mark.parametrize("held", [64 * 2**20, 3_000_000, 0])
@pytest.mark.parametrize("half", [None, "right"])
@pytest.mark.parametrize("beyond", [0.0, 0.5])  # seconds after the end of the film
def test_decoding_once_equals_decoding_twice(monkeypatch, held, half, beyond):
    monkeypatch.setattr(film_frames, "_MOST_HELD", held)
    end = probe(EXAMPLE.path).duration
    times = frame_times(end - 1.2, end + beyond, 5)
    looks = frame_times(end - 1.2, end + beyond, 30)
    frames, mouths = read_with_looks(FilmReader(), EXAMPLE, times, looks, half=half)
    mouths = list(mouths)
    expected = list(read_halves(FilmReader(), EXAMPLE, times, half=half))
    expected_mouths = list(read_halves(FilmReader(), EXAMPLE, looks, half=half))
    assert len(expected) >= 3
    assert len(expected_mouths) >= 20
    assert np.array_equal(np.stack(frames), np.stack(expected))
    assert np.array_equal(np.stack(mouths), np.stack(expected_mouths))


def test_utterance_after_the_end_has_no_frames():
    with pytest.raises(MediaError, match="past the end of the film"):
        read_with_looks(FilmReader(), EXAMPLE, [900.0], [900.0, 900.04], half=None)
