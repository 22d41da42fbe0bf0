"""The utterances' sound: its files, its lengths and its samples."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from mmerc.errors import InputError
from mmerc.media.segment import Clip, MediaError
from mmerc.packaged_weights import missing_package_error

SAMPLE_RATE = 16_000
_LONGEST = 10.0  # seconds (DQ-Former, Sec. 4.2); the rest is not used
SHORTEST = 0.025  # seconds: the window of every speech encoder here

Sounds = Mapping[tuple[str, str], Clip]  # by conversation and utterance


def read_samples(clip: Clip | None) -> Tensor | None:
    """At most the first ten seconds of a clip, mono at 16 kHz.

    None if there is nothing to hear: no clip, no file, a damaged file, less than 25 ms.
    Shape: -> float32 [samples].
    """
    if clip is None:
        return None
    from mmerc.media.decode import read_clip

    latest = (clip.start or 0.0) + _LONGEST
    end = latest if clip.end is None else min(clip.end, latest)
    try:
        samples = torch.from_numpy(read_clip(replace(clip, end=end)))
    except MediaError:
        return None
    return None if len(samples) < SHORTEST * SAMPLE_RATE else samples


def clip_lengths(clips: Sequence[Clip | None]) -> list[float]:
    """Seconds of each clip, 0 for None; files are opened, not decoded.

    InputError if none of the files exists: the folder must be the wrong one.
    """
    paths = sorted({clip.path for clip in clips if clip is not None})
    check_some(paths)
    with ThreadPoolExecutor(4) as pool:
        lengths = dict(zip(paths, pool.map(_file_seconds, paths), strict=True))
    return [0.0 if clip is None else _clip_seconds(clip, lengths[clip.path]) for clip in clips]


def _clip_seconds(clip: Clip, whole: float) -> float:
    """Seconds of a clip of a file of ``whole`` seconds, ten at most."""
    end = whole if clip.end is None else min(clip.end, whole)
    return min(_LONGEST, max(0.0, end - (clip.start or 0.0)))


def _file_seconds(path: Path) -> float:
    """The length that a file states; 0 if it cannot be opened, the most if it states none."""
    try:
        duration = _open_duration(path)
    except MediaError:
        return 0.0
    return _LONGEST if duration is None else duration


def file_duration(path: Path) -> float | None:
    """Seconds that a media file states; None if it cannot be opened or states none."""
    try:
        return _open_duration(path)
    except MediaError:
        return None


def _open_duration(path: Path) -> float | None:
    """Seconds that a media file states, if any; MediaError if it cannot be opened."""
    try:
        from mmerc.media.container import open_media
    except ImportError as error:
        raise missing_package_error("av", extra="media") from error
    with open_media(path) as container:
        return None if container.duration is None else container.duration / 1e6


def check_some(paths: Sequence[Path]) -> None:
    """Refuse sounds none of which exists."""
    if paths and not any(path.is_file() for path in paths):
        problem = f"no such file, and none of the other {len(paths) - 1} sounds exists either"
        raise InputError(paths[0], problem, "name the folder of the media with --media")


def missing_sounds(clips: Iterable[Clip]) -> int:
    """How many sound files do not exist."""
    return sum(not path.is_file() for path in {clip.path for clip in clips})
