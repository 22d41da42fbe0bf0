"""Diarization with the user's installation of pyannote.audio (Bredin 2023)."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import torch

from mmerc.errors import MmercError
from mmerc.media.decode import SAMPLE_RATE, read_sound
from mmerc.media.speaker_turns import Turn
from mmerc.media.speakers.clustering import SpeakerCount
from mmerc.media.speakers.diarization import name_turns

_PIPELINES = ("pyannote/speaker-diarization-community-1", "pyannote/speaker-diarization-3.1")


def find_turns_by_pyannote(path: str | Path, *, count: SpeakerCount) -> tuple[Turn, ...]:
    """Find the turns of SPEAKER_01, SPEAKER_02, ... with pyannote.audio, numbered by speaking time.

    Uses the pipeline community-1, else 3.1, from the Hub's cache or (unless HF_HUB_OFFLINE is set)
    the Hub, where the user must have accepted the terms. Loads the whole sound into memory.
    MmercError if pyannote.audio or both pipelines are unavailable, or if it fails; MediaError
    without sound.
    """
    pipeline = _load_pipeline()
    samples = torch.from_numpy(read_sound(Path(path)))
    limits: dict[str, int] = {}
    if count.most == count.fewest:
        limits["num_speakers"] = count.fewest
    elif count != SpeakerCount():
        limits["min_speakers"] = count.fewest
        if count.most is not None:
            limits["max_speakers"] = count.most
    try:
        output = pipeline({"waveform": samples[None], "sample_rate": SAMPLE_RATE}, **limits)
        annotation = getattr(output, "speaker_diarization", output)  # before version 4: itself
        turns = [
            (str(label), float(segment.start), float(segment.end))
            for segment, _, label in annotation.itertracks(yield_label=True)
        ]
    except Exception as error:  # pyannote may raise anything
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise MmercError(
            f"pyannote.audio failed ({reason[:200]}); leave --diarizer out to use mmerc's own."
        ) from error
    numbers = {label: number for number, label in enumerate(sorted({t[0] for t in turns}))}
    return name_turns([(numbers[label], start, end) for label, start, end in turns])


def _load_pipeline() -> Any:
    """Load the first available pipeline."""
    try:
        module = import_module("pyannote.audio")
    except ImportError as error:
        raise MmercError(
            "--diarizer pyannote needs the package pyannote.audio, which is not installed or does "
            "not import; run `pip install pyannote.audio`, or leave --diarizer out to use mmerc's "
            "own."
        ) from error
    reason = "it gave none"
    for name in _PIPELINES:
        try:
            pipeline = module.Pipeline.from_pretrained(name)
        except Exception as error:  # from the Hub, torch or pyannote
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            continue
        if pipeline is not None:  # None if its terms are not accepted
            return pipeline
    raise MmercError(
        f"pyannote.audio cannot load {' or '.join(_PIPELINES)} ({reason[:200]}); accept its terms "
        "on the Hub and log in with `hf auth login`, or leave --diarizer out to use mmerc's own."
    )
