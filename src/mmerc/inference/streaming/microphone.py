"""Microphone input with the optional package sounddevice."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import numpy as np

from mmerc.errors import MmercError
from mmerc.inference.streaming.live_stream import scale_levels
from mmerc.media.resampling import SAMPLE_RATE, Samples
from mmerc.packaged_weights import missing_package_error

_BLOCK = SAMPLE_RATE // 10  # samples
_WAITING = 300  # blocks in the queue: half a minute


def import_sounddevice() -> Any:
    """Import the package sounddevice; MmercError if it or PortAudio is not installed."""
    try:
        return import_module("sounddevice")
    except ImportError as error:
        raise missing_package_error("sounddevice", extra="microphone") from error
    except OSError as error:
        raise MmercError(
            "The package sounddevice needs the library PortAudio; install it (Debian: "
            "`apt install libportaudio2`)."
        ) from error


def record_microphone() -> Iterator[Samples]:
    """Record the default microphone in pieces of 0.1 s, until the iterator is closed.

    Shape: -> float32 [1600], 16 kHz. MmercError if sounddevice or a microphone is missing, or if
    the analysis falls half a minute behind.
    """
    sounddevice = import_sounddevice()
    blocks: queue.Queue[bytes] = queue.Queue()

    def receive(data: Any, *_: object) -> None:
        blocks.put(bytes(data))

    try:
        stream = sounddevice.RawInputStream(
            samplerate=SAMPLE_RATE, channels=1, dtype="int16", blocksize=_BLOCK, callback=receive
        )
    except Exception as error:  # PortAudioError, or ValueError for an unsuitable device
        raise MmercError(
            f"No microphone can be opened ({error}); connect one, or pipe sound into "
            "`mmerc live -`."
        ) from error
    with stream:
        while True:
            if blocks.qsize() > _WAITING:
                raise MmercError(
                    "The analysis is half a minute behind the microphone; use a faster machine or "
                    "a model without pictures."
                )
            yield scale_levels(np.frombuffer(blocks.get(), np.int16))
