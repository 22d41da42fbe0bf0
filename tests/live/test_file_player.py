"""A file is played as audio and frames in order of time."""

import io

import av
import numpy as np

from mmerc.inference.streaming.file_player import play_file
from mmerc.media.decode import probe


class Unseekable(io.RawIOBase):
    """The format of browser recordings: the header never contains the duration."""

    def __init__(self, path):
        self.file = path.open("wb")

    def writable(self):
        return True

    def write(self, data):
        return self.file.write(bytes(data))


def test_browser_recording_without_duration_has_frames(tmp_path):
    path = tmp_path / "browser.webm"
    target = Unseekable(path)
    with av.open(target, "w", format="webm", options={"live": "1"}) as container:
        film, sound = (
            container.add_stream("libvpx", rate=10),
            container.add_stream("libopus", 48_000),
        )
        film.width, film.height, film.pix_fmt, sound.layout = 64, 48, "yuv420p", "mono"
        for number in range(20):
            picture = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 9 * number, np.uint8))
            piece = av.AudioFrame.from_ndarray(np.zeros((1, 4800), np.int16), "s16", "mono")
            piece.sample_rate, picture.pts, piece.pts = 48_000, number, 4800 * number
            container.mux([*film.encode(picture), *sound.encode(piece)])
        container.mux([*film.encode(), *sound.encode()])
    target.file.close()
    assert probe(path).duration is None
    moments = list(play_file(path, pictures_per_second=5))
    times = [time for moment in moments for time, _ in moment.pictures]
    np.testing.assert_allclose(times, np.arange(0.1, 2, 0.2))
    assert abs(moments[-1].time - 2) < 0.2
