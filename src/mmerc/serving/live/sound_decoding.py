"""Decode the sound of a session to samples at 16 kHz."""

from __future__ import annotations

from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from mmerc.serving.live.refusal import RefusedError
from mmerc.serving.live.webm_sound import SAMPLE_RATE, WebmSound

SoundFormat = Literal["pcm_s16le", "pcm_f32le", "webm_opus"]
_Samples = NDArray[np.float32]
_PCM_TYPES: dict[SoundFormat, np.dtype[Any]] = {
    "pcm_s16le": np.dtype("<i2"),
    "pcm_f32le": np.dtype("<f4"),
}


class SoundDecoder(Protocol):
    """Decodes the bytes of one session, in order of time."""

    def decode(self, data: bytes) -> _Samples:
        """Decode bytes; return complete samples. RefusedError for another format."""
        ...

    def close(self) -> _Samples:
        """Return the last samples."""
        ...


class _PcmSound:
    """Mono samples at 16 kHz, without a header."""

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self.dtype = dtype

    def decode(self, data: bytes) -> _Samples:
        if len(data) % self.dtype.itemsize:
            size = self.dtype.itemsize
            problem = f"A sound message has {len(data)} bytes"
            raise RefusedError(
                "sound", f"{problem}; send complete samples of {size} bytes.", fatal=False
            )
        samples = np.frombuffer(data, self.dtype)
        if self.dtype.kind == "i":
            return samples.astype(np.float32) / np.float32(32768)
        if not np.isfinite(samples).all():
            problem = "A sound message contains numbers that are not finite"
            raise RefusedError("sound", f"{problem}; send samples between -1 and 1.", fatal=False)
        clipped: _Samples = np.clip(samples, -1, 1).astype(np.float32)
        return clipped

    def close(self) -> _Samples:
        return np.zeros(0, np.float32)


def create_decoder(sound_format: SoundFormat, sample_rate: int | None) -> SoundDecoder:
    """Create the decoder for a format; RefusedError for a sample rate other than 16 kHz."""
    if sound_format == "webm_opus":
        if sample_rate is not None:
            problem = "WebM states its own sample rate"
            raise RefusedError("sound", f"{problem}; leave sample_rate out for webm_opus.")
        return WebmSound()
    if sample_rate != SAMPLE_RATE:
        actual = "missing" if sample_rate is None else f"{sample_rate} Hz"
        fix = f"resample to {SAMPLE_RATE} Hz mono and say so, or send webm_opus"
        raise RefusedError("sound", f"The sample rate of {sound_format} is {actual}; {fix}.")
    return _PcmSound(_PCM_TYPES[sound_format])
