"""Hand-crafted acoustic features: openSMILE's functionals.

openSMILE is free for non-commercial use only (its own licence). It is fast enough to run once per
utterance (benchmarks/bench_audio.py) and releases the GIL, so threads may share an extractor.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

from mmerc.errors import MmercError
from mmerc.features.sound_samples import SHORTEST, Samples, VoiceExtractor
from mmerc.features.store import FeatureSpec, Vector
from mmerc.media.decode import SAMPLE_RATE

SETS = {
    "is10": ("IS10", 1582),
    "compare": ("ComParE_2016", 6373),
    "egemaps": ("eGeMAPSv02", 88),
}
_LOUDEST = 1 - 2**-15  # openSMILE uses 16 bits: a sample of 1.0 would wrap around to -1.0


class OpenSmile(VoiceExtractor):
    """Functionals over a whole utterance.

    ``is10``: 1582 numbers (INTERSPEECH 2010 paralinguistic challenge; DF-ERC on IEMOCAP).
    ``compare``: 6373 numbers (ComParE 2016; MultiEMO, Sec. 3.2).
    ``egemaps``: 88 numbers (eGeMAPS v02; Eyben et al. 2016).

    MmercError if the package opensmile is not installed.
    """

    source = "openSMILE"

    def __init__(self, set_name: str) -> None:
        name, dim = SETS[set_name]
        self.spec = FeatureSpec(
            modality="audio",
            extractor=set_name,
            dim=dim,
            settings={
                "set": name,
                "opensmile": _installed_version(),
                "sample_rate": SAMPLE_RATE,
                "shortest": SHORTEST,
            },
        )
        self.smile = _load_smile(name)

    def compute(self, samples: Samples) -> Vector:
        values = self.smile(np.clip(samples, -1.0, _LOUDEST), SAMPLE_RATE)  # [1, D, 1]
        return np.asarray(values, np.float32).reshape(-1)


def _installed_version() -> str:
    """Return the version of the package opensmile; MmercError if not installed."""
    try:
        return version("opensmile")
    except PackageNotFoundError as error:
        raise MmercError(
            "The package opensmile is not installed; install it with `pip install 'mmerc[media]'`."
        ) from error


def _load_smile(name: str) -> Any:
    """Load openSMILE's functionals of the feature set ``name``; importing takes a second."""
    import opensmile

    return opensmile.Smile(opensmile.FeatureSet[name], opensmile.FeatureLevel.Functionals)
