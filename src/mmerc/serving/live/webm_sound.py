"""Stream decoding of Opus in WebM, as sent by a browser's MediaRecorder."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import NoReturn

import av
import numpy as np
from av.audio.resampler import AudioResampler
from av.container import InputContainer
from numpy.typing import NDArray

from mmerc.media.file_signatures import EBML
from mmerc.serving.live.refusal import RefusedError

SAMPLE_RATE = 16_000  # Hz
_SILENT_BYTES = 500_000  # allowed bytes without sound; half a minute at usual rates
_FIX = "send what MediaRecorder records as audio/webm;codecs=opus, from its first byte"
_LEAST_RATE = 150  # bytes per second of sound; digital silence takes 180 in packets of 120 ms
_LEAST_RATE_AT_ONCE = 500  # for data faster than real time; quiet speech takes 750
_ALLOWANCE = 30.0  # seconds in addition
_PATIENCE = 30.0  # seconds for FFmpeg to read its input
_OPTIONS = {"probesize": "4096", "analyzeduration": "0", "fflags": "nobuffer"}


class _Pipe:
    """A pipe that FFmpeg reads in one thread while another appends to it."""

    def __init__(self) -> None:
        self.condition = threading.Condition()
        self.data = bytearray()
        self.waiting = False  # the reader has read everything
        self.closed = False

    def read(self, size: int) -> bytes:
        """Wait for data and return at most ``size`` bytes; none at the end."""
        with self.condition:
            while not self.data and not self.closed:
                self.waiting = True
                self.condition.notify_all()
                self.condition.wait()
            self.waiting = False
            part = bytes(self.data[:size])
            del self.data[:size]
            return part

    def append(self, data: bytes) -> None:
        with self.condition:
            self.data += data
            self.waiting = False
            self.condition.notify_all()

    def close(self) -> None:
        """Signal the end to the reader."""
        with self.condition:
            self.closed = True
            self.condition.notify_all()


class WebmSound:
    """Decodes one WebM stream; pieces may start and end anywhere.

    FFmpeg pulls its input, so it runs in a separate thread; ``decode`` waits until everything has
    been read.
    """

    def __init__(self) -> None:
        self.pipe = _Pipe()
        self.parts: list[NDArray[np.float32]] = []
        self.error: str | None = None
        self.ended = False
        self.head = b""
        self.size = self.silent_bytes = 0
        self.began = time.monotonic()
        self.thread = threading.Thread(target=self._run, name="webm", daemon=True)
        self.thread.start()

    def decode(self, data: bytes) -> NDArray[np.float32]:
        """Return complete samples at 16 kHz; RefusedError for anything but Opus in WebM."""
        self.head = (self.head + data)[: len(EBML)]
        if not EBML.startswith(self.head):
            self._refuse("not WebM")
        self.size += len(data)
        self.pipe.append(data)
        with self.pipe.condition:
            idle = self.pipe.condition.wait_for(self._is_idle, _PATIENCE)
        if not idle or self.ended:
            self._refuse(self.error or "its stream has ended")
        samples = self._take()
        self.silent_bytes = 0 if len(samples) else self.silent_bytes + len(data)
        if self.silent_bytes > _SILENT_BYTES:
            self._refuse("no sound in it")
        return samples

    def close(self) -> NDArray[np.float32]:
        """End the stream and return its last samples."""
        self.pipe.close()
        self.thread.join(_PATIENCE)
        return self._take()

    def _refuse(self, reason: str) -> NoReturn:
        self.close()
        raise RefusedError("sound", f"The sound cannot be decoded ({reason}); {_FIX}.")

    def _is_idle(self) -> bool:
        return self.ended or (self.pipe.waiting and not self.pipe.data)

    def _take(self) -> NDArray[np.float32]:
        parts, self.parts = self.parts, []
        return _join(parts)

    def _run(self) -> None:
        """Decode until the pipe is closed or the stream is damaged."""
        try:
            with av.open(self.pipe, "r", format="webm", options=_OPTIONS) as container:
                self._decode_stream(container)
        except (av.FFmpegError, OSError, ValueError) as error:
            self.error = type(error).__name__
        finally:
            with self.pipe.condition:
                self.ended = True
                self.pipe.condition.notify_all()

    def _decode_stream(self, container: InputContainer) -> None:
        streams = container.streams.audio
        if not streams or streams[0].codec_context.name not in {"opus", "libopus"}:
            self.error = "no Opus in it"
            return
        resampler = AudioResampler(format="fltp", layout="mono", rate=SAMPLE_RATE)
        count = 0
        for frame in container.decode(streams[0]):
            for part in resampler.resample(frame):
                self.parts.append(part.to_ndarray()[0])
                count += part.samples
            if count / SAMPLE_RATE > self._longest():
                self.error = "more sound than so few bytes contain in so short a time"
                return

    def _longest(self) -> float:
        """Return how many seconds of sound the received bytes may contain."""
        spoken = min(time.monotonic() - self.began, self.size / _LEAST_RATE)
        return _ALLOWANCE + max(spoken, self.size / _LEAST_RATE_AT_ONCE)


def _join(parts: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    return np.concatenate(parts) if parts else np.zeros(0, np.float32)
