"""The folder of a reproduction, and the corpus, versions and code that its runs belong to.

OUT/reproduction.json          that corpus, those versions and that code
OUT/runs/RECIPE-HASH/          runs as ``mmerc train`` writes them, shared by all targets
OUT/TARGET/report.html  report.md  figures/NAME.png  NAME.svg  NAME.csv
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mmerc.data.corpus import PreparedCorpus
from mmerc.errors import InputError
from mmerc.files import fingerprint, read_json, write_json
from mmerc.training.cache import NOT_PART_OF_A_SEED, code_fingerprint
from mmerc.training.corpus_source import CorpusSource
from mmerc.training.folder import Run
from mmerc.training.hardware import Hardware
from mmerc.training.recipe import Recipe
from mmerc.training.result import versions

_ELSEWHERE = "choose another --out"


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    """Runs of one corpus, version and size; ``hardware`` trains and evaluates them."""

    root: Path
    corpus: PreparedCorpus
    quick: bool
    hardware: Hardware

    def run(self, recipe: Recipe) -> Run:
        directory = self.root / "runs" / folder_name(recipe)
        return Run(directory=directory, recipe=recipe, corpus=corpus_for(recipe, self.corpus))

    def identity(self) -> dict[str, Any]:
        """What all runs of the folder share."""
        return {
            "corpus": self.corpus.name,
            "fingerprints": {k: v for k, v in self.corpus.fingerprints.items() if k != "sounds"},
            "quick": self.quick,
            "versions": versions(),
            "code": code_fingerprint(),
        }

    def begin(self) -> None:
        """Write the identity of the runs; InputError where the folder has other runs."""
        path = self.root / "reproduction.json"
        if path.exists():
            difference = self.check()
            if difference is not None:
                problem = f"contains results of another version ({difference})"
                fix = f"{_ELSEWHERE}; --report-only shows what is finished here"
                raise InputError(self.root, problem, fix)
        elif self.root.is_dir() and any(item.name != ".lock" for item in self.root.iterdir()):
            raise InputError(self.root, "contains other files, not a reproduction", _ELSEWHERE)
        else:
            write_json(path, self.identity())

    def check(self) -> str | None:
        """Describe how the version differs; InputError where the runs are of another corpus."""
        path = self.root / "reproduction.json"
        if not path.is_file():
            fix = "leave --report-only out, or name the --out of the runs"
            raise InputError(self.root, "contains no reproduction", fix)
        stored, expected = read_json(path), self.identity()
        if not isinstance(stored, dict) or not expected.keys() <= stored.keys():
            raise InputError(path, "does not identify its runs", _ELSEWHERE)
        if any(stored[key] != expected[key] for key in ("corpus", "fingerprints")):
            problem = f"contains runs on another corpus ({stored['corpus']!r}, or other vectors)"
            raise InputError(self.root, problem, _ELSEWHERE)
        if stored["quick"] != expected["quick"]:
            problem = f"was started {'with' if stored['quick'] else 'without'} --quick"
            raise InputError(self.root, problem, _ELSEWHERE)
        return version_difference(stored, expected)


def version_difference(stored: dict[str, Any], current: dict[str, Any]) -> str | None:
    """Name the packages that differ, or else the code; None where nothing differs."""
    changes = [
        f"{name} {stored['versions'].get(name)}, here {version}"
        for name, version in current["versions"].items()
        if stored["versions"].get(name) != version
    ]
    if not changes and stored["code"] != current["code"]:
        return "the code of mmerc has changed since"
    return "; ".join(changes) or None


def folder_name(recipe: Recipe) -> str:
    """Name the folder of a recipe's runs: equal for rows of different targets that are the same.

    Settings at their default are not part of it, so that a new setting does not hide older runs.
    """
    settings = recipe.model_dump(
        mode="json", exclude=NOT_PART_OF_A_SEED | {"training"}, exclude_defaults=True
    )
    training = recipe.training.model_dump(mode="json", exclude={"seeds"}, exclude_defaults=True)
    key = fingerprint([recipe.model.name, settings, training])
    return f"{recipe.name}-{key[:10]}"


def source_for(recipe: Recipe, source: CorpusSource) -> CorpusSource:
    """Drop the source's sounds, as ``corpus_for`` does."""
    return source if recipe.model.speech is not None else replace(source, sounds={})


def corpus_for(recipe: Recipe, corpus: PreparedCorpus) -> PreparedCorpus:
    """Drop the sounds for a model that reads none: they would be part of its cache key."""
    return replace(corpus, sounds={}) if corpus.sounds and recipe.model.speech is None else corpus
