"""The folder of a reproduction: whose runs lie in it, and what made them.

OUT/reproduction.json          corpus, versions and code that the runs belong to
OUT/runs/RECIPE-HASH/          runs as ``mmerc train`` leaves them, shared by all targets
OUT/TARGET/report.html  report.md  figures/NAME.png  NAME.svg  NAME.csv
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mmerc.data.corpus import PreparedCorpus
from mmerc.errors import InputError
from mmerc.experiments.plan import folder_name
from mmerc.files import read_json, write_json
from mmerc.training.cache import code_fingerprint
from mmerc.training.corpus_source import CorpusSource
from mmerc.training.folder import Run
from mmerc.training.hardware import Hardware
from mmerc.training.recipe import Recipe
from mmerc.training.result import versions

ELSEWHERE = "choose another --out"


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    """Runs of one corpus, version and size; ``hardware`` trains them, and asks their models."""

    root: Path
    corpus: PreparedCorpus
    quick: bool
    hardware: Hardware

    def run(self, recipe: Recipe) -> Run:
        directory = self.root / "runs" / folder_name(recipe)
        return Run(directory=directory, recipe=recipe, corpus=corpus_for(recipe, self.corpus))

    def identity(self) -> dict[str, Any]:
        """What all runs of a folder have in common."""
        return {
            "corpus": self.corpus.name,
            "fingerprints": {k: v for k, v in self.corpus.fingerprints.items() if k != "sounds"},
            "quick": self.quick,
            "versions": versions(),
            "code": code_fingerprint(),
        }

    def begin(self) -> None:
        """Write down whose runs these are, or refuse to mix them with others."""
        path = self.root / "reproduction.json"
        if path.exists():
            stored = self.check()
            if stored is not None:
                problem = f"holds results of another version ({stored})"
                fix = f"{ELSEWHERE}; --report-only shows what is finished here"
                raise InputError(self.root, problem, fix)
        elif self.root.is_dir() and any(item.name != ".lock" for item in self.root.iterdir()):
            raise InputError(self.root, "holds other files, not a reproduction", ELSEWHERE)
        else:
            write_json(path, self.identity())

    def check(self) -> str | None:
        """Refuse runs of another corpus; say how the version differs, if it does."""
        path = self.root / "reproduction.json"
        if not path.is_file():
            fix = "leave --report-only out, or name the --out of the runs"
            raise InputError(self.root, "holds no reproduction", fix)
        before, now = read_json(path), self.identity()
        if not isinstance(before, dict) or not now.keys() <= before.keys():
            raise InputError(path, "does not say whose runs these are", ELSEWHERE)
        if any(before[key] != now[key] for key in ("corpus", "fingerprints")):
            problem = f"holds runs on another corpus ({before['corpus']!r}, or other vectors)"
            raise InputError(self.root, problem, ELSEWHERE)
        if before["quick"] != now["quick"]:
            problem = f"was begun {'with' if before['quick'] else 'without'} --quick"
            raise InputError(self.root, problem, ELSEWHERE)
        return version_difference(before, now)


def version_difference(before: dict[str, Any], now: dict[str, Any]) -> str | None:
    """Which packages, or whether the code alone, differ; None where nothing does."""
    changes = [
        f"{name} {before['versions'].get(name)}, here {version}"
        for name, version in now["versions"].items()
        if before["versions"].get(name) != version
    ]
    if not changes and before["code"] != now["code"]:
        return "the code of mmerc has changed since"
    return "; ".join(changes) or None


def source_for(recipe: Recipe, source: CorpusSource) -> CorpusSource:
    """The source without sounds for a model that reads none, as ``corpus_for``."""
    return source if recipe.model.speech is not None else replace(source, sounds={})


def corpus_for(recipe: Recipe, corpus: PreparedCorpus) -> PreparedCorpus:
    """The corpus without sounds for a model that reads none: they would be part of its key."""
    return replace(corpus, sounds={}) if corpus.sounds and recipe.model.speech is None else corpus
