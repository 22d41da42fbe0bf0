"""A run's folder: identity, lock, and leftovers of interrupted runs.

RUN/recipe.yaml  run.json  result.json
RUN/seed-0/model/  history.csv  predictions-valid.parquet  predictions-test.parquet
           confusion.csv  seed.json  tensorboard/
           (while training: resume.safetensors  best.safetensors)
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from mmerc.data.corpus import PreparedCorpus
from mmerc.errors import InputError, MmercError, UsageError
from mmerc.files import file_lock, read_json, write_json, write_text
from mmerc.training.recipe import Recipe
from mmerc.training.result import versions

_TRAINING_STATE = ("resume.safetensors", "best.safetensors")


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A run: its folder, recipe and corpus."""

    directory: Path
    recipe: Recipe
    corpus: PreparedCorpus

    def seed_directory(self, seed: int) -> Path:
        return self.directory / f"seed-{seed}"

    def identity(self) -> dict[str, Any]:
        """Return everything that must be unchanged for a run to resume."""
        return {
            "recipe": self.recipe.model_dump(mode="json"),
            "corpus": self.corpus.name,
            "fingerprints": self.corpus.fingerprints,
        }


def is_worker() -> bool:
    """Whether this is a secondary process of a data-parallel run, which writes nothing."""
    return int(os.environ.get("LOCAL_RANK", "0")) > 0


def check_folder(directory: Path) -> None:
    """Refuse a folder with unrelated files before anything is written to it."""
    if not directory.is_dir() or (directory / "run.json").exists():
        return
    if any(item.name != ".lock" for item in directory.iterdir()):
        fix = "choose another --out"
        raise InputError(directory, "contains other files, not a run of mmerc", fix)


def forget_unless_trained(directory: Path) -> None:
    """Remove a run that failed before its first batch, so that it can be restarted."""
    if not is_worker() and not any(directory.glob("seed-*")):
        for name in ("run.json", "recipe.yaml", ".lock"):
            (directory / name).unlink(missing_ok=True)
        with suppress(OSError):
            directory.rmdir()


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Lock a folder against other processes, except workers of the same run."""
    if is_worker():
        yield
        return
    with file_lock(directory / ".lock") as alone:
        if not alone:
            raise MmercError(
                f"{directory}: another process is at work in this folder; wait until it ends, "
                "or choose another folder."
            )
        yield


def _remove_leftovers(directory: Path) -> None:
    """Remove leftovers of a killed run: partial files and state of finished seeds."""
    for finished in directory.glob("seed-*/seed.json"):
        remove_training_state(finished.parent)
    for leftover in (*directory.glob("seed-*/.*"), *directory.glob(".seed-*")):
        if leftover.is_dir():
            shutil.rmtree(leftover)
        else:
            leftover.unlink()


def remove_training_state(seed_directory: Path) -> None:
    """Remove the files that are needed only during training."""
    for name in _TRAINING_STATE:
        (seed_directory / name).unlink(missing_ok=True)


def begin(run: Run, *, resume: bool) -> None:
    """Record the run's identity, or check that it is unchanged."""
    path = run.directory / "run.json"
    if not path.exists():
        write_json(path, run.identity() | {"versions": versions()})
        recipe = run.recipe.model_dump(mode="json")
        write_text(run.directory / "recipe.yaml", yaml.safe_dump(recipe, sort_keys=False))
        return
    if not resume and not is_worker():
        fix = "pass --resume to resume it, or choose another --out"
        raise InputError(run.directory, "contains a run already", fix)
    _remove_leftovers(run.directory)
    before, now = _comparable(read_json(path)), _comparable(run.identity())
    changed = [key for key in now if before.get(key) != now[key]]
    if changed:
        problem = f"was started with another {' and '.join(changed)}"
        raise InputError(run.directory, problem, "choose another --out")


def _comparable(identity: object) -> dict[str, Any]:
    """Return an identity without prose; settings missing in old runs get their defaults."""
    if not isinstance(identity, dict):
        return {}
    try:
        recipe = Recipe.model_validate(identity.get("recipe"))
    except (ValidationError, UsageError):
        return identity
    settings = recipe.model_dump(mode="json", exclude={"description"})
    return identity | {"recipe": settings}
