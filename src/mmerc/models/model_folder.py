"""Locate a model: a run or model folder, a model that comes with mmerc, or one on the Hub.

Does not import torch, so that commands report a missing model at once.
"""

from __future__ import annotations

from pathlib import Path

from mmerc.errors import InputError, MmercError
from mmerc.files import read_json
from mmerc.models.embedded_models import find_embedded_model


def locate_model(source: str | Path) -> Path:
    """Find the folder of a model: local, included in mmerc, or on the Hub.

    MmercError if there is none, InputError for a run without a finished seed.
    """
    return find_local_model(source) or download_model(str(source))


def find_local_model(source: str | Path) -> Path | None:
    """Find a local folder, or a model that comes with mmerc.

    InputError for a run without a finished seed.
    """
    folder = find_model_folder(Path(source))
    return folder if folder.is_dir() else find_embedded_model(str(source))


def find_model_folder(source: Path) -> Path:
    """Return a run's model folder (of its best seed on validation), or else ``source``."""
    if not (source / "run.json").is_file():
        return source
    path = source / "result.json"
    if not path.is_file():
        fix = "finish it with `mmerc train ... --resume`"
        raise InputError(source, "a run without a finished seed (no result.json)", fix)
    value = read_json(path)
    try:
        seeds = value["seeds"] if isinstance(value, dict) else []
        best = max(seeds, key=lambda seed: seed["valid"]["weighted_f1"])
        return source / f"seed-{int(best['seed'])}" / "model"
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(path, "not the result of a run", "train the run again") from error


def download_model(repository: str) -> Path:
    """Download a model from the Hub, or use the cache; MmercError if there is none."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(repository, etag_timeout=5))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        raise MmercError(
            f"{repository} is neither a run or model folder nor a Hub repository that can be "
            "reached; check the path."
        ) from error
