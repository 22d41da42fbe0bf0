"""The published weights of MTCNN, from the package ``mtcnn`` (MIT).

The package itself is not imported, because it needs TensorFlow. Its weights are joblib pickles,
verified by SHA-256 and read with an unpickler that only creates arrays.
"""

from __future__ import annotations

import io
import math
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mmerc.errors import InputError
from mmerc.media.faces.networks import OutputNetwork, ProposalNetwork, RefinementNetwork
from mmerc.packaged_weights import PackagedWeights

_MTCNN = PackagedWeights(
    package="mtcnn",
    folder="assets/weights",
    distribution="mtcnn==1.0.0",
    extra="media",
    sha256={
        "pnet.lz4": "ea6b0c3e685ebee3165326ad6484acc95f2ef78f1c94fbf40a55704fa989f7b5",
        "rnet.lz4": "cb00e6460f3c98b0bfafaba3c0a0ded4bdf6e62cee7174d969e8670d7e757fee",
        "onet.lz4": "94f6ea2f4cf985275ee958cdd762d17b6009348a4fb9d8c6be39ba73ffd22ca3",
    },
)


class Networks(nn.Module):
    """P-Net, R-Net and O-Net."""

    def __init__(self) -> None:
        super().__init__()
        self.proposal = ProposalNetwork()
        self.refinement = RefinementNetwork()
        self.output = OutputNetwork()


def load_networks() -> Networks:
    """Load the three networks with their published weights, ready to run.

    MmercError if the package ``mtcnn`` is not installed, InputError if its files differ.
    """
    networks = Networks()
    networks.load_state_dict(_convert_package(_MTCNN.locate()))
    return networks.eval()


def _convert_package(folder: Path) -> dict[str, Tensor]:
    """Read the weights of the three networks from ``folder``, with our parameter names.

    InputError if a file differs from the published one.
    """
    import lz4.frame  # a dependency of mtcnn

    _MTCNN.check(folder)
    contents = [lz4.frame.decompress((folder / name).read_bytes()) for name in _MTCNN.sha256]
    arrays = [array for content in contents for array in _read_arrays(content)]
    names = Networks().state_dict()  # in the order of the files
    return {name: _as_torch(array) for name, array in zip(names, arrays, strict=True)}


def _read_arrays(content: bytes) -> list[NDArray[np.float32]]:
    """Read the arrays of a joblib pickle of one list, with an unpickler limited to arrays."""
    stream = io.BytesIO(content)

    class StoredArray:
        """Stands in for joblib's wrapper: an array's data follow its description."""

        def __setstate__(self, description: dict[str, Any]) -> None:
            stream.seek(stream.read(1)[0], io.SEEK_CUR)  # padding, preceded by its length
            size = 4 * math.prod(description["shape"])
            values = np.frombuffer(stream.read(size), dtype="<f4")
            self.values = values.reshape(description["shape"])

    admitted: Mapping[tuple[str, str], type] = {
        ("joblib.numpy_pickle", "NumpyArrayWrapper"): StoredArray,
        ("numpy", "ndarray"): np.ndarray,
        ("numpy", "dtype"): np.dtype,
    }

    class ArrayUnpickler(pickle.Unpickler):
        def find_class(self, module: str, name: str) -> type:
            if (module, name) not in admitted:
                problem = f"the file carries code ({module}.{name}), which was not run"
                raise InputError("weights of mtcnn", problem, f"reinstall {_MTCNN.distribution}")
            return admitted[module, name]

    return [stored.values for stored in ArrayUnpickler(stream).load()]


def _as_torch(array: NDArray[np.float32]) -> Tensor:
    """Convert TensorFlow's order of dimensions to torch's."""
    if array.ndim == 4:  # height, width, in, out
        array = array.transpose(3, 2, 0, 1)
    elif array.ndim == 3:  # 1, 1, slopes of a PReLU
        array = array.reshape(-1)
    return torch.tensor(array.T if array.ndim == 2 else array).contiguous()
