"""Saved models: reading the files of ``save_pretrained``, and compact weights."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeGuard

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from mmerc.errors import InputError, MmercError
from mmerc.files import file_fingerprint, read_json
from mmerc.nn.speech_encoder import SpeechEncoder, SpeechEncoderConfig
from mmerc.nn.text_encoder import TextEncoder, TextEncoderConfig


def load_saved_encoder(model: Path, config: TextEncoderConfig, *, compact: bool) -> TextEncoder:
    """Rebuild a model's text encoder; for a ``compact`` model, load the configured encoder.

    InputError if its files are incomplete.
    """
    if compact:
        return TextEncoder.from_source(config, to_train=False)
    with _report_damage(model / "text_encoder") as folder:
        return TextEncoder.from_folder(folder, config)


def load_saved_speech_encoder(
    model: Path, config: SpeechEncoderConfig, *, compact: bool
) -> SpeechEncoder:
    """Rebuild a model's speech encoder, like ``load_saved_encoder``."""
    if compact:
        return SpeechEncoder.from_source(config)
    with _report_damage(model / "speech_encoder") as folder:
        return SpeechEncoder.from_folder(folder, config)


@contextmanager
def _report_damage(folder: Path) -> Iterator[Path]:
    """Raise InputError if reading a folder fails."""
    try:
        yield folder
    except (OSError, ValueError) as error:
        raise InputError(
            folder, "missing or incomplete", "copy the complete model folder"
        ) from error


def untrained_state(model: nn.Module) -> dict[str, Tensor]:
    """Select the encoder weights that training does not change."""
    prefixes = ("inputs.text_encoder.", "inputs.speech_encoder.")
    state = model.state_dict()
    trained = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    return {n: state[n] for n in state if n.startswith(prefixes) and n not in trained}


def compact_state(model: nn.Module) -> dict[str, Tensor]:
    """Select all other tensors, weights in float16.

    Statistics keep their precision: a small deviation would round to 0 and then be divided by.
    """
    untrained, weights = untrained_state(model), dict(model.named_parameters())
    return {
        name: tensor.half() if name in weights else tensor
        for name, tensor in model.state_dict().items()
        if name not in untrained
    }


def load_weights(
    module: nn.Module,
    path: Path,
    *,
    untrained: Collection[str] = (),
    sha256: str | None = None,
) -> None:
    """Load a safetensors file with all tensors of a module except the ``untrained`` ones.

    ``sha256``: the expected hash of the file, if known. InputError if the file is missing, damaged
    or does not match.
    """
    try:
        if sha256 is not None and file_fingerprint(path) != sha256:
            problem = "damaged, or not the file that belongs to its config.json"
            raise InputError(path, problem, "copy the complete model folder again")
        state, expected = load_file(path), module.state_dict().keys() - untrained
        if state.keys() != expected:
            raise RuntimeError(f"other tensors: {sorted(state.keys() ^ expected)}")
        module.load_state_dict(state, strict=False)
    except FileNotFoundError as error:
        raise InputError(path, "no such file", "copy the complete model folder") from error
    except SafetensorError as error:
        raise InputError(path, "truncated or not safetensors", "copy or train it again") from error
    except RuntimeError as error:
        problem = "weights that do not match the configuration next to them"
        raise InputError(path, problem, "keep the files of one model together") from error


def upload_model(folder: Path, repository: str, *, private: bool) -> None:
    """Upload a model folder to the Hub; create the repository if it does not exist."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    api = HfApi()
    try:
        api.create_repo(repository, private=private, exist_ok=True)
        api.upload_folder(repo_id=repository, folder_path=folder)
    except (HfHubHTTPError, HFValidationError, OSError) as error:
        raise MmercError(
            f"{repository} cannot be written to the Hub ({str(error).splitlines()[0]}); check the "
            "name and the network, and log in with `hf auth login`."
        ) from error


def read_model_config(folder: Path) -> dict[str, Any]:
    """Read config.json of a model folder; MmercError or InputError if it is not one of ours."""
    path = folder / "config.json"
    if not path.is_file():
        raise MmercError(
            f"{folder} contains no model (no config.json); give a run or model folder."
        )
    value = read_json(path)
    if not describes_model(value) or "name" not in value["model"]:
        raise InputError(path, "not the configuration of a model", "copy or train it again")
    return value


def describes_model(value: object) -> TypeGuard[dict[str, Any]]:
    """Whether a config.json belongs to an mmerc model rather than a plain encoder."""
    return isinstance(value, dict) and {"model", "labels", "widths"} <= value.keys()
