"""Voice vectors of a corpus's sound under shifts of microphone, line or room."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mmerc.data.corpus import PreparedCorpus
from mmerc.data.corpus_media import corpus_tasks
from mmerc.errors import InputError
from mmerc.features.base import Absent
from mmerc.features.extraction import build_row
from mmerc.features.registry import NamedExtractor
from mmerc.features.sound_samples import NO_SOUND_FILE, VoiceExtractor
from mmerc.features.store import FeatureTable, Vector
from mmerc.media.decode import read_clip
from mmerc.media.segment import Clip, MediaError

_Samples = NDArray[np.float32]


def extract_shifted_sound(
    corpus: PreparedCorpus, media: Path, change: Callable[[_Samples], _Samples]
) -> FeatureTable:
    """Extract the corpus's voice vectors again from shifted sound, each clip once.

    ``media`` is the raw corpus's folder. InputError unless the vectors come from one of mmerc's
    voice extractors.
    """
    spec = corpus.features["audio"].spec
    extractor = NamedExtractor(spec.extractor)()
    if not isinstance(extractor, VoiceExtractor) or extractor.spec.fingerprint != spec.fingerprint:
        raise InputError(
            f"corpus {corpus.name!r}",
            f"its audio vectors ({spec.extractor}) cannot be extracted again as they are stored",
            "extract them with this version of mmerc, or leave --media out",
        )
    known: dict[Clip | None, Vector | Absent] = {}
    rows = []
    for task in corpus_tasks(corpus, media):
        clip = task.segment.sound
        if clip not in known:
            known[clip] = _extract_clip(extractor, clip, change)
        rows.append(build_row(task, known[clip]))
    return FeatureTable.of(spec, rows)


def _extract_clip(
    extractor: VoiceExtractor, clip: Clip | None, change: Callable[[_Samples], _Samples]
) -> Vector | Absent:
    if clip is None:
        return Absent(NO_SOUND_FILE)
    try:
        return extractor.extract_samples(change(read_clip(clip)))
    except MediaError as error:
        return Absent(error.reason)
