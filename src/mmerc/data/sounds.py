"""Sound of utterances: files, durations and samples."""

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
_LONGEST = 10.0  # seconds (DQ-Former, Sec. 4.2); the rest is ignored
SHORTEST = 0.025  # seconds; the window of all our speech encoders

Sounds = Mapping[tuple[str, str], Clip]  # by conversation and utterance


def read_samples(clip: Clip | None) -> Tensor | None:
    """Read at most the first ten seconds of a clip, mono at 16 kHz.

    None if there is no usable sound: no clip, no file, a damaged file, less than 25 ms.
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
    """Return the duration of each clip in seconds, 0 for None; files are not decoded.

    InputError if none of the files exists, as the folder must be wrong.
    """
    paths = sorted({clip.path for clip in clips if clip is not None})
    check_some(paths)
    with ThreadPoolExecutor(4) as pool:
        lengths = dict(zip(paths, pool.map(_file_seconds, paths), strict=True))
    return [0.0 if clip is None else _clip_seconds(clip, lengths[clip.path]) for clip in clips]


def _clip_seconds(clip: Clip, whole: float) -> float:
    """Return the duration of a clip of a file of ``whole`` seconds, at most ten."""
    end = whole if clip.end is None else min(clip.end, whole)
    return min(_LONGEST, max(0.0, end - (clip.start or 0.0)))


def _file_seconds(path: Path) -> float:
    """Return a file's stated duration; 0 if unreadable, the maximum if not stated."""
    try:
        duration = _open_duration(path)
    except MediaError:
        return 0.0
    return _LONGEST if duration is None else duration


def file_duration(path: Path) -> float | None:
    """Return a media file's stated duration; None if unreadable or not stated."""
    try:
        return _open_duration(path)
    except MediaError:
        return None


def _open_duration(path: Path) -> float | None:
    """Return a media file's stated duration, if any; MediaError if unreadable."""
    try:
        from mmerc.media.container import open_media
    except ImportError as error:
        raise missing_package_error("av", extra="media") from error
    with open_media(path) as container:
        return None if container.duration is None else container.duration / 1e6


def check_some(paths: Sequence[Path]) -> None:
    """InputError if none of the files exists."""
    if paths and not any(path.is_file() for path in paths):
        problem = f"no such file, and none of the other {len(paths) - 1} sounds exists either"
        raise InputError(paths[0], problem, "name the folder of the media with --media")


def missing_sounds(clips: Iterable[Clip]) -> int:
    """Count missing sound files."""
    return sum(not path.is_file() for path in {clip.path for clip in clips})
