"""Models in folders: reading what ``save_pretrained`` wrote, and the compact form of weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeGuard

from huggingface_hub import HfApi, snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from mmerc.errors import InputError, MmercError
from mmerc.files import file_fingerprint, read_json
from mmerc.nn.speech_encoder import SpeechEncoder, SpeechEncoderConfig
from mmerc.nn.text_encoder import TextEncoder, TextEncoderConfig


def saved_encoder(model: Path, config: TextEncoderConfig, *, compact: bool) -> TextEncoder:
    """Rebuild a model's text encoder; a ``compact`` one is that which the configuration names.

    InputError where its files are not whole.
    """
    if compact:
        return TextEncoder.from_source(config)
    with of_whole_folder(model / "text_encoder") as folder:
        return TextEncoder.from_folder(folder, config)


def saved_speech_encoder(
    model: Path, config: SpeechEncoderConfig, *, compact: bool
) -> SpeechEncoder:
    """As ``saved_encoder``, of the speech encoder."""
    if compact:
        return SpeechEncoder.from_source(config)
    with of_whole_folder(model / "speech_encoder") as folder:
        return SpeechEncoder.from_folder(folder, config)


@contextmanager
def of_whole_folder(folder: Path) -> Iterator[Path]:
    """InputError where what is read of a folder is not there, or not what it should be."""
    try:
        yield folder
    except (OSError, ValueError) as error:
        raise InputError(folder, "missing or not whole", "copy the whole model folder") from error


def untrained_state(model: nn.Module) -> dict[str, Tensor]:
    """Weights of the encoders that training leaves as they are."""
    prefixes = ("inputs.text_encoder.", "inputs.speech_encoder.")
    state = model.state_dict()
    trained = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    return {n: state[n] for n in state if n.startswith(prefixes) and n not in trained}


def compact_state(model: nn.Module) -> dict[str, Tensor]:
    """What ``untrained_state`` does not hold, weights in 16 bits.

    Statistics stay as they are: a small deviation would become 0 and divide by it.
    """
    kept, weights = untrained_state(model), dict(model.named_parameters())
    return {
        name: tensor.half() if name in weights else tensor
        for name, tensor in model.state_dict().items()
        if name not in kept
    }


def load_weights(
    module: nn.Module,
    path: Path,
    *,
    kept: Mapping[str, Tensor] | None = None,
    sha256: str | None = None,
) -> None:
    """Load a safetensors file that, with what is ``kept``, must fit names and shapes exactly.

    ``sha256``: the file's, where it is known; InputError for another file.
    """
    try:
        if sha256 is not None and file_fingerprint(path) != sha256:
            problem = "not the file that config.json was written with, or damaged"
            raise InputError(path, problem, "copy the whole model folder again")
        module.load_state_dict({**(kept or {}), **load_file(path)})
    except FileNotFoundError as error:
        raise InputError(path, "no such file", "copy the whole model folder") from error
    except SafetensorError as error:
        raise InputError(path, "truncated or not safetensors", "copy or train it again") from error
    except RuntimeError as error:
        problem = "weights that do not fit the configuration beside them"
        raise InputError(path, problem, "keep the files of one model together") from error


def download_model(repository: str) -> Path:
    """Fetch a model of the Hub, or say that there is none."""
    try:
        return Path(snapshot_download(repository, etag_timeout=5))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        raise MmercError(
            f"{repository} is neither a run or model folder nor a Hub repository that can be "
            "reached; check the path."
        ) from error


def upload_model(folder: Path, repository: str, *, private: bool) -> None:
    """Send a model folder to the Hub; the repository is made if it is not there."""
    api = HfApi()
    try:
        api.create_repo(repository, private=private, exist_ok=True)
        api.upload_folder(repo_id=repository, folder_path=folder)
    except (HfHubHTTPError, HFValidationError, OSError) as error:
        raise MmercError(
            f"{repository} cannot be written on the Hub ({str(error).splitlines()[0]}); check the "
            "name and the network, and log in with `hf auth login`."
        ) from error


def read_model_config(folder: Path) -> dict[str, Any]:
    """Read config.json of a model folder."""
    path = folder / "config.json"
    if not path.is_file():
        raise MmercError(f"{folder} holds no model (no config.json); give a run or model folder.")
    value = read_json(path)
    if not describes_model(value) or "name" not in value["model"]:
        raise InputError(path, "not the configuration of a model", "copy or train it again")
    return value


def describes_model(value: object) -> TypeGuard[dict[str, Any]]:
    """Whether a config.json is one of ours, not a plain encoder's."""
    return isinstance(value, dict) and {"model", "labels", "widths"} <= value.keys()
