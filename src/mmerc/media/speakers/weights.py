"""The weights of the two speaker networks, which come with mmerc (see README.md here)."""

from __future__ import annotations

from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from mmerc.errors import InputError
from mmerc.files import file_fingerprint

_SHA256 = {
    "segmentation.safetensors": "6dff5093dac8ab73a2bf7d7cd77497582e736568afc2a41cf8a903936ed3dac3",
    "voice_encoder.safetensors": "a1f893d047df30240265367c911757379f713025d0f839528445280b64604502",
}


def load_speaker_weights(network: nn.Module, file_name: str) -> None:
    """Load ``file_name`` from this folder into ``network``, in evaluation mode.

    InputError if the file is missing, damaged or different.
    """
    path = Path(__file__).parent / file_name
    try:
        if file_fingerprint(path) != _SHA256[path.name]:
            raise InputError(path, "not the file that mmerc was released with", "reinstall mmerc")
        tensors = load_file(path)
    except (OSError, SafetensorError) as error:
        raise InputError(path, "cannot be read", "reinstall mmerc") from error
    network.load_state_dict({name: tensor.float() for name, tensor in tensors.items()})
    network.eval()
