"""A run's folder: what it is, who may write to it, and what it was begun with.

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

TRAINING_STATE = ("resume.safetensors", "best.safetensors")


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Where a run lies and what it is made of."""

    directory: Path
    recipe: Recipe
    corpus: PreparedCorpus

    def seed_directory(self, seed: int) -> Path:
        return self.directory / f"seed-{seed}"

    def identity(self) -> dict[str, Any]:
        """What must be the same for a run to go on."""
        return {
            "recipe": self.recipe.model_dump(mode="json"),
            "corpus": self.corpus.name,
            "fingerprints": self.corpus.fingerprints,
        }


def is_worker() -> bool:
    """Whether this is a data-parallel run's second, third, ... process, which writes nothing."""
    return int(os.environ.get("LOCAL_RANK", "0")) > 0


def check_folder(directory: Path) -> None:
    """Refuse a folder that holds something else, before anything is written to it."""
    if not directory.is_dir() or (directory / "run.json").exists():
        return
    if any(item.name != ".lock" for item in directory.iterdir()):
        fix = "choose another --out"
        raise InputError(directory, "holds other files, not a run of mmerc", fix)


def forget_unless_trained(directory: Path) -> None:
    """Take a run away that failed before its first batch, so that it can be begun again."""
    if not is_worker() and not any(directory.glob("seed-*")):
        for name in ("run.json", "recipe.yaml", ".lock"):
            (directory / name).unlink(missing_ok=True)
        with suppress(OSError):
            directory.rmdir()


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Keep a second process out of a folder (the workers of one run belong together)."""
    if is_worker():
        yield
        return
    with file_lock(directory / ".lock") as alone:
        if not alone:
            raise MmercError(
                f"{directory}: another process is at work in this folder; wait for its end, "
                "or choose another one."
            )
        yield


def remove_leftovers(directory: Path) -> None:
    """Take away what a kill left: half-written things, and finished seeds' training state."""
    for finished in directory.glob("seed-*/seed.json"):
        remove_training_state(finished.parent)
    for leftover in (*directory.glob("seed-*/.*"), *directory.glob(".seed-*")):
        if leftover.is_dir():
            shutil.rmtree(leftover)
        else:
            leftover.unlink()


def remove_training_state(seed_directory: Path) -> None:
    """Take away what a seed needs only while it is in training."""
    for name in TRAINING_STATE:
        (seed_directory / name).unlink(missing_ok=True)


def begin(run: Run, *, resume: bool) -> None:
    """Write down what the run is, or check that it is the same as before."""
    path = run.directory / "run.json"
    if not path.exists():
        write_json(path, run.identity() | {"versions": versions()})
        recipe = run.recipe.model_dump(mode="json")
        write_text(run.directory / "recipe.yaml", yaml.safe_dump(recipe, sort_keys=False))
        return
    if not resume and not is_worker():
        fix = "pass --resume to go on with it, or choose another --out"
        raise InputError(run.directory, "holds a run already", fix)
    remove_leftovers(run.directory)
    before = completed(read_json(path))
    now = run.identity()
    changed = [key for key in now if before.get(key) != now[key]]
    if changed:
        problem = f"was begun with another {' and '.join(changed)}"
        raise InputError(run.directory, problem, "choose another --out")


def completed(identity: object) -> dict[str, Any]:
    """What a run was begun with; settings that did not exist then have their defaults."""
    if not isinstance(identity, dict):
        return {}
    try:
        recipe = Recipe.model_validate(identity.get("recipe")).model_dump(mode="json")
    except (ValidationError, UsageError):
        return identity
    return identity | {"recipe": recipe}
