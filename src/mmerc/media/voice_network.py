"""Silero VAD 6 for voice activity, a minute at a time.

Only one file of the package ``silero-vad`` (MIT) is used, verified by SHA-256: the network for
sequences of frames, run with ONNX Runtime. The package itself is not imported. Its safetensors file
is not used, because in version 6.2.3 its weights differ from TorchScript and ONNX.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mmerc.media.resampling import SAMPLE_RATE, Samples
from mmerc.packaged_weights import PackagedWeights, missing_package_error

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

FRAME = 512  # samples
FRAME_SECONDS = FRAME / SAMPLE_RATE
_CONTEXT = 64  # samples of the previous frame that are repeated
_BLOCK = 1875 * FRAME  # a minute

_NETWORK = "silero_vad_16k_sequence.onnx"
_SILERO = PackagedWeights(
    package="silero_vad",
    folder="data",
    distribution="silero-vad==6.2.3",
    extra="speech",
    sha256={_NETWORK: "9ccdacc4719d8aa7e45a77536bfabec45a03ba1f2fad5e241ab4060b24238a85"},
)

Probabilities = NDArray[np.float32]


def _load_network(folder: Path) -> InferenceSession:
    """Load the network in ``folder``, to run on one core."""
    try:
        from onnxruntime import InferenceSession, SessionOptions
    except ImportError as error:
        raise missing_package_error("onnxruntime", extra="speech") from error
    options = SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return InferenceSession(folder / _NETWORK, options, providers=["CPUExecutionProvider"])


class SpeechStream:
    """The network with its state, so that pieces give the same results as the whole.

    Streams may share a ``network`` (``load_speech_network``). MmercError if the package silero-vad
    is not installed, InputError if its file differs.
    """

    def __init__(self, network: InferenceSession | None = None) -> None:
        self.network = load_speech_network() if network is None else network
        self._before = np.zeros(_CONTEXT, np.float32)
        self._rest = np.zeros(0, np.float32)
        self._hidden = self._cell = np.zeros((1, 1, 128), np.float32)

    def feed(self, samples: Samples) -> Probabilities:
        """Return the speech probability of every complete frame of 32 ms; keep the rest.

        Shape: float32 [any], 16 kHz -> float32 [frames].
        """
        samples = np.concatenate([self._rest, samples])
        whole = len(samples) - len(samples) % FRAME
        samples, self._rest = samples[:whole], samples[whole:]
        if not whole:
            return np.zeros(0, np.float32)
        samples = np.concatenate([self._before, samples])
        frames = np.lib.stride_tricks.sliding_window_view(samples, _CONTEXT + FRAME)[::FRAME]
        inputs = {"input": np.ascontiguousarray(frames), "h": self._hidden, "c": self._cell}
        names = ["speech_probs", "hn", "cn"]
        probabilities, self._hidden, self._cell = self.network.run(names, inputs)
        self._before = samples[-_CONTEXT:].copy()
        return probabilities.reshape(-1)  # type: ignore[no-any-return]


def load_speech_network() -> InferenceSession:
    """Load the network; raises the errors of ``SpeechStream``."""
    return _load_network(_SILERO.locate())


def speech_probabilities(sound: Iterable[Samples]) -> Iterator[Probabilities]:
    """Yield the speech probabilities of complete frames of 32 ms, a minute at a time.

    Shape: sound float32 [any] each, 16 kHz -> float32 [at most 1875] each. Errors as for
    ``SpeechStream``.
    """
    stream = SpeechStream()
    for block in _in_blocks(sound):
        yield stream.feed(block)


def _in_blocks(sound: Iterable[Samples]) -> Iterator[Samples]:
    """Regroup samples into blocks of a minute; the last block has the remaining whole frames."""
    waiting: list[Samples] = []
    count = 0
    for piece in sound:
        for part in np.split(piece, range(_BLOCK - count, len(piece), _BLOCK)):
            waiting.append(part)
            count += len(part)
            if count == _BLOCK:
                yield np.concatenate(waiting)
                waiting, count = [], 0
    if count >= FRAME:
        yield np.concatenate(waiting)[: count - count % FRAME]
