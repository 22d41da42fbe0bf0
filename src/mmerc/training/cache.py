"""The cache of finished trainings, and the log of every validation score.

A seed is identified by the hash of its recipe, corpus, vectors, seed, precision and training code.
Finished seeds are in ``runs/KEY`` (hard links if the disk supports them); ``tries.jsonl`` has a
line for every training that was scored on validation.
"""

from __future__ import annotations

import ast
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, BinaryIO, TypeGuard

import torch

from mmerc.caching import cache_folder, configured_cache, optional_write
from mmerc.data.corpus import PreparedCorpus
from mmerc.files import file_lock, fingerprint, write_error
from mmerc.training.hardware import Hardware
from mmerc.training.initial_encoder import initial_fingerprint
from mmerc.training.recipe import Recipe

_CODE = ("nn", "models", "prediction", "data", "training", "features", "labels.py")
NOT_PART_OF_A_SEED = {"name", "description", "search"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Try:
    """A training that was scored on validation."""

    when: str
    key: str
    recipe: str
    corpus: str
    validated_on: str
    seed: int
    settings: dict[str, Any]
    weighted_f1: float


@dataclass(frozen=True, slots=True)
class RunCache:
    """The folder of finished seeds and the log of tries."""

    root: Path

    @classmethod
    def default(cls) -> RunCache:
        """Open the cache for trainings; a temporary one if it is not writable."""
        return cls(cache_folder())

    @classmethod
    def stored(cls) -> RunCache:
        """Open the cache on disk for reading."""
        return cls(configured_cache() or cache_folder())

    def fetch(self, key: str, directory: Path) -> bool:
        """Copy the finished seed ``key`` to ``directory``; False if there is none."""
        source = self.root / "runs" / key
        if directory.exists() or not (source / "seed.json").is_file():
            return False
        _link_folder(source, directory)
        return True

    def keep(self, key: str, directory: Path) -> None:
        """Store a finished seed; only warn if the cache is not writable."""
        target = self.root / "runs" / key
        with optional_write():
            if not target.exists():
                _link_folder(directory, target)

    def score(self, key: str) -> float | None:
        """Return the validation score of the training ``key``; None if there is none."""
        return next((t.weighted_f1 for t in self.tries() if t.key == key), None)

    def log(self, entry: Try) -> None:
        """Append a line to the list of tries, with a lock between processes.

        Only warns if the cache is not writable.
        """
        path = self.root / "tries.jsonl"
        line = json.dumps(asdict(entry)).encode() + b"\n"
        with optional_write(), file_lock(path, wait=True), open(path, "a+b") as file:
            file.write(line if _ends_a_line(file) else b"\n" + line)

    def tries(self) -> Iterator[Try]:
        """Yield all tries; skip lines truncated by a full disk."""
        path = self.root / "tries.jsonl"
        if not path.is_file():
            return
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                yield Try(**json.loads(line))
            except (json.JSONDecodeError, TypeError):
                continue


def seed_key(recipe: Recipe, corpus: PreparedCorpus, seed: int, hardware: Hardware) -> str:
    """Hash everything that determines a seed's result."""
    settings = recipe.model_dump(mode="json", exclude=NOT_PART_OF_A_SEED)
    settings["training"].pop("seeds")
    initial = recipe.training.initial_text_encoder
    if initial is not None:
        settings["training"]["initial_text_encoder"] = initial_fingerprint(initial)
    return fingerprint(
        {
            "recipe": settings,
            "corpus": corpus.fingerprints,
            "seed": seed,
            "hardware": hardware.identity(recipe),
            "code": code_fingerprint(),
            "torch": torch.__version__,
        }
    )


@cache
def code_fingerprint() -> str:
    """Hash the training code, without comments, docstrings, descriptions of fields and layout."""
    package = Path(str(files("mmerc")))
    sources = [file for name in _CODE for file in _source_files(package / name)]
    return fingerprint(
        {str(f.relative_to(package)): _syntax_of(f.read_text("utf-8")) for f in sources}
    )


def _syntax_of(source: str) -> str:
    """Dump the syntax tree of Python code without docstrings and descriptions of fields."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if _has_docstring(node):
            node.body = node.body[1:]
        elif _is_field(node):
            node.keywords = [item for item in node.keywords if item.arg != "description"]
    return ast.dump(tree)


def _has_docstring(
    node: ast.AST,
) -> TypeGuard[ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef]:
    """Whether a module, class or function begins with a docstring."""
    documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    return isinstance(node, documented) and ast.get_docstring(node, clean=False) is not None


def _is_field(node: ast.AST) -> TypeGuard[ast.Call]:
    """Whether a node defines a setting of a recipe (pydantic's ``Field``)."""
    return (
        isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Field"
    )


def _source_files(path: Path) -> list[Path]:
    """List the Python files of a folder, or the file itself."""
    return [path] if path.is_file() else sorted(path.rglob("*.py"))


def _ends_a_line(file: BinaryIO) -> bool:
    """Whether a file is empty or ends with a newline; a full disk may truncate the last line."""
    if not file.seek(0, os.SEEK_END):
        return True
    file.seek(-1, os.SEEK_END)
    return file.read() == b"\n"


def _link_folder(source: Path, target: Path) -> None:
    """Copy a folder atomically, with hard links if possible."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as folder:
            shutil.copytree(source, Path(folder) / "whole", copy_function=_link_or_copy)
            (Path(folder) / "whole").replace(target)
    except FileExistsError:
        return  # another process was faster
    except shutil.Error as error:  # an OSError with one problem per file
        raise write_error(target, OSError(str(error.args[0][0][-1]))) from error
    except OSError as error:
        if not target.exists():
            raise write_error(target, error) from error


def _link_or_copy(source: str, target: str) -> None:
    """Create a hard link, or a copy across file systems."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def create_try(
    recipe: Recipe, corpus: PreparedCorpus, *, key: str, seed: int, validated_on: str, score: float
) -> Try:
    """Create a line for the log of tries."""
    settings = recipe.model_dump(mode="json", exclude=NOT_PART_OF_A_SEED)
    return Try(
        when=datetime.now(UTC).isoformat(timespec="seconds"),
        key=key,
        recipe=recipe.name,
        corpus=corpus.name,
        validated_on=validated_on,
        seed=seed,
        settings=settings,
        weighted_f1=score,
    )
