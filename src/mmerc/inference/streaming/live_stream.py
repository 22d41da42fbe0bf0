"""``mmerc.live``: an asynchronous iterator over the utterances of a sound stream."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator
from pathlib import Path
from typing import Literal, overload

import numpy as np
from numpy.typing import NDArray

from mmerc.errors import UsageError
from mmerc.inference.streaming.events import Correction, LiveEvent, LiveUtterance
from mmerc.inference.streaming.live_components import LiveComponents
from mmerc.inference.streaming.live_settings import LiveSettings
from mmerc.inference.streaming.session import LiveSession
from mmerc.media.resampling import Samples

Sound = bytes | NDArray[np.float32] | NDArray[np.int16]


@overload
def live(
    stream: AsyncIterable[Sound],
    *,
    model: str | Path | LiveComponents | None = None,
    settings: LiveSettings | None = None,
    events: Literal[False] = False,
) -> AsyncIterator[LiveUtterance]: ...


@overload
def live(
    stream: AsyncIterable[Sound],
    *,
    model: str | Path | LiveComponents | None = None,
    settings: LiveSettings | None = None,
    events: Literal[True],
) -> AsyncIterator[LiveEvent]: ...


async def live(
    stream: AsyncIterable[Sound],
    *,
    model: str | Path | LiveComponents | None = None,
    settings: LiveSettings | None = None,
    events: bool = False,
) -> AsyncIterator[LiveEvent]:
    """Yield the utterances of an ongoing conversation with their emotions.

    ``stream`` yields mono sound at 16 kHz: bytes of 16-bit integers (little-endian), or arrays of
    int16 or of float32 between -1 and 1. ``model`` is a source for ``mmerc.load_model`` (None:
    mmerc-mini-live), or loaded components, which several streams may share. If later words change
    an utterance, it is yielded again with the same ``index``.

    With ``events``, all events are yielded: starts of speech, words, utterances, corrections and
    statistics (``mmerc.inference.streaming.events``).

    Computation runs in another thread. UsageError for sound in another format; loading raises the
    errors of ``mmerc.Pipeline.from_pretrained``.
    """
    components = model
    if not isinstance(components, LiveComponents):
        components = await asyncio.to_thread(LiveComponents.load, components)
    session = LiveSession(components, settings)
    rest = b""
    async for sound in stream:
        samples, rest = read_samples(sound, rest)
        for event in _choose(await asyncio.to_thread(session.feed_sound, samples), events=events):
            yield event
    for event in _choose(await asyncio.to_thread(session.finish), events=events):
        yield event


def read_samples(sound: Sound, rest: bytes = b"") -> tuple[Samples, bytes]:
    """Decode a piece of sound after the previous ``rest``; return samples and the new rest.

    Shape: -> float32 [samples]. UsageError for anything but bytes, int16 or float32.
    """
    if isinstance(sound, np.ndarray):
        if sound.ndim == 1 and sound.dtype == np.float32:
            return sound.astype(np.float32), b""
        if sound.ndim == 1 and sound.dtype == np.int16:
            return scale_levels(sound.astype(np.int16)), b""
        raise UsageError("Live sound in arrays must be float32 or int16 of one channel at 16 kHz.")
    if not isinstance(sound, bytes | bytearray | memoryview):
        raise UsageError(f"Live sound must be bytes or an array, not {type(sound).__name__}.")
    data = rest + bytes(sound)
    whole = len(data) - len(data) % 2
    return scale_levels(np.frombuffer(data[:whole], "<i2")), data[whole:]


def scale_levels(levels: NDArray[np.integer]) -> Samples:
    """Convert 16-bit samples. Shape: int16 [samples] -> float32 of the same shape."""
    samples: Samples = levels.astype(np.float32) * np.float32(2**-15)
    return samples


def _choose(reported: list[LiveEvent], *, events: bool) -> list[LiveEvent]:
    """Return all events, or only utterances, including corrected ones."""
    if events:
        return reported
    utterances: list[LiveEvent] = []
    for event in reported:
        item = event.utterance if isinstance(event, Correction) else event
        if isinstance(item, LiveUtterance):
            utterances.append(item)
    return utterances
