"""Windows with one speaker equal those of a search through all windows."""

import numpy as np
import pytest

from mmerc.media.speakers.segmentation import CHUNK_FRAMES, FRAME_SECONDS
from mmerc.media.speakers.voice_windows import _ALONE_SHARE, WINDOW_FRAMES, VoiceWindows


def search_all(middles, start, alone):
    half, chosen = WINDOW_FRAMES // 2, []
    for number, middle in enumerate(middles):
        frame = int(np.rint((middle - start) / FRAME_SECONDS))
        whole = half <= frame < CHUNK_FRAMES - half
        if whole and alone[frame - half : frame + half].mean() >= _ALONE_SHARE:
            chosen.append(number)
    return chosen


@pytest.mark.parametrize("start", [0.0, 0.8, 31.5, 117.25, 118.0, 500.0])
def test_voice_windows_equal_a_full_search(start):
    drawn = np.random.default_rng(int(start))
    windows = VoiceWindows()
    windows._middles = [n * 0.75 + 0.75 for n in range(160) if drawn.random() < 0.9]
    for share in (0.5, 0.8, 1.0):
        alone = np.repeat(drawn.random(CHUNK_FRAMES // 19) < share, 19)
        chosen = windows.find_alone(start, alone)
        assert chosen.tolist() == search_all(windows._middles, start, alone)
        located = np.rint((np.array(windows._middles) - start) / FRAME_SECONDS)[chosen]
        assert windows.locate(start, chosen).tolist() == located.tolist()
