"""Hand-crafted acoustic features of an utterance: openSMILE's IS10 and ComParE 2016 functionals.

openSMILE is free for non-commercial use only (its own licence). It is fast enough to run once per
utterance (benchmarks/bench_audio.py) and releases Python's lock: threads may share one extractor,
processes may have one each.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mmerc.errors import MmercError
from mmerc.features.base import Absent
from mmerc.features.store import FeatureSpec, Vector
from mmerc.media.decode import SAMPLE_RATE, read_clip
from mmerc.media.segment import MediaError, Segment

_SetName = Literal["is10", "compare"]
SETS: dict[_SetName, tuple[str, int]] = {"is10": ("IS10", 1582), "compare": ("ComParE_2016", 6373)}
_SHORTEST = 0.1  # seconds: at 0.06 s and below openSMILE has no whole window and gives NaN
_LOUDEST = 1 - 2**-15  # openSMILE takes 16 bits: a sample of 1.0 would wrap round to -1.0
_QUIETEST = 2**-15  # below this a sample is 0 in 16 bits


class OpenSmile:
    """Functionals over a whole utterance.

    ``is10``: 1582 numbers (INTERSPEECH 2010 paralinguistic challenge; DF-ERC on IEMOCAP).
    ``compare``: 6373 numbers (ComParE 2016; MultiEMO, Sec. 3.2).

    MmercError if the package opensmile is not installed.
    """

    def __init__(self, set_name: _SetName) -> None:
        name, dim = SETS[set_name]
        self.spec = FeatureSpec(
            modality="audio",
            extractor=set_name,
            dim=dim,
            settings={
                "set": name,
                "opensmile": _installed_version(),
                "sample_rate": SAMPLE_RATE,
                "shortest": _SHORTEST,
            },
        )
        self.smile = _load_smile(name)

    def extract(self, segment: Segment) -> Vector | Absent:
        """Shape: -> float32 [1582] or [6373]."""
        if segment.sound is None:
            return Absent("no sound file")
        try:
            samples = read_clip(segment.sound)
        except MediaError as error:
            return Absent(error.reason)
        return self.extract_samples(samples)

    def extract_samples(self, samples: NDArray[np.float32]) -> Vector | Absent:
        """Shape: float32 [samples], mono, 16 kHz, -1 to 1 -> float32 [1582] or [6373]."""
        if len(samples) < _SHORTEST * SAMPLE_RATE:
            return Absent(f"sound shorter than {_SHORTEST} s")
        if not np.isfinite(samples).all():
            return Absent("sound with samples that are no numbers")
        if np.abs(samples).max() < _QUIETEST:
            return Absent("silence")
        values = self.smile(np.clip(samples, -1.0, _LOUDEST), SAMPLE_RATE)  # [1, D, 1]
        vector: Vector = np.asarray(values, np.float32).reshape(-1)
        if not np.isfinite(vector).all():
            return Absent("openSMILE gave values that are no numbers")
        return vector


def _installed_version() -> str:
    """Version of the package opensmile; MmercError if it is not installed."""
    try:
        return version("opensmile")
    except PackageNotFoundError as error:
        raise MmercError(
            "The package opensmile is not installed; install it with `pip install 'mmerc[media]'`."
        ) from error


def _load_smile(name: str) -> Any:
    """openSMILE's functionals of the feature set ``name``; the import alone takes a second."""
    import opensmile

    return opensmile.Smile(opensmile.FeatureSet[name], opensmile.FeatureLevel.Functionals)
