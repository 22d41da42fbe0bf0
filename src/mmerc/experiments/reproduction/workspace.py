"""The folder of a reproduction, with the corpus, versions and code of its runs.

OUT/reproduction.json          corpus, versions and code
OUT/runs/RECIPE-HASH/          runs as in ``mmerc train``, shared by all targets
OUT/TARGET/report.html  report.md  figures/NAME.png  NAME.svg  NAME.csv
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mmerc.data.corpus import PreparedCorpus
from mmerc.errors import InputError
from mmerc.experiments.reproduction.plan import Plan
from mmerc.files import fingerprint, read_json, write_json
from mmerc.training.cache import NOT_PART_OF_A_SEED, code_fingerprint
from mmerc.training.corpus_source import CorpusSource
from mmerc.training.folder import Run, locked
from mmerc.training.recipe import Recipe
from mmerc.training.result import versions

_ELSEWHERE = "choose another --out"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedRun:
    """A run with its planned number of seeds, and the corpus to send to workers."""

    run: Run
    seeds: int
    source: CorpusSource


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    """Runs of one corpus (``source``, and opened ``corpus``), version and size."""

    root: Path
    source: CorpusSource
    corpus: PreparedCorpus

    def planned_runs(self, plans: Iterable[Plan]) -> list[PlannedRun]:
        """Return one run per recipe, with the maximum number of seeds over all plans."""
        planned: dict[Path, PlannedRun] = {}
        for plan in plans:
            for run in self.runs(plan).values():
                earlier = planned.get(run.directory)
                seeds = max(plan.seeds, 0 if earlier is None else earlier.seeds)
                source = self.source if run.corpus.sounds else replace(self.source, sounds={})
                planned[run.directory] = PlannedRun(run=run, seeds=seeds, source=source)
        return list(planned.values())

    def runs(self, plan: Plan) -> dict[str, Run]:
        """Return the run of every trained row, by name.

        Models that do not read waveforms get the corpus without sounds, which would change its key.
        """
        silent = replace(self.corpus, sounds={}) if self.corpus.sounds else self.corpus
        return {
            name: Run(
                directory=self.root / "runs" / _folder_name(recipe),
                recipe=recipe,
                corpus=self.corpus if recipe.model.speech is not None else silent,
            )
            for name, recipe in plan.recipes.items()
        }

    def identity(self) -> dict[str, Any]:
        """Return the properties shared by all runs of the folder."""
        return {
            "corpus": self.corpus.name,
            "fingerprints": {k: v for k, v in self.corpus.fingerprints.items() if k != "sounds"},
            "quick": self.source.quick,
            "versions": versions(),
            "code": code_fingerprint(),
        }

    @contextmanager
    def begin(self) -> Iterator[None]:
        """Lock the folder and record its identity; InputError if it belongs to another one."""
        path = self.root / "reproduction.json"
        with locked(self.root):
            if path.exists():
                difference = self.check()
                if difference is not None:
                    problem = f"contains results of another version ({difference})"
                    fix = f"{_ELSEWHERE}; --report-only shows what is finished here"
                    raise InputError(self.root, problem, fix)
            elif any(item.name != ".lock" for item in self.root.iterdir()):
                raise InputError(self.root, "contains other files, not a reproduction", _ELSEWHERE)
            else:
                write_json(path, self.identity())
            yield

    def check(self) -> str | None:
        """Describe how the version differs; InputError if the runs are of another corpus."""
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
        return _version_difference(stored, expected)


def _version_difference(stored: dict[str, Any], current: dict[str, Any]) -> str | None:
    """Name the packages that differ, else the code; None if nothing differs."""
    changes = [
        f"{name} {stored['versions'].get(name)}, here {version}"
        for name, version in current["versions"].items()
        if stored["versions"].get(name) != version
    ]
    if not changes and stored["code"] != current["code"]:
        return "the code of mmerc has changed since"
    return "; ".join(changes) or None


def _folder_name(recipe: Recipe) -> str:
    """Return the folder name of a recipe's runs; identical rows of different targets share it.

    Settings at their default are excluded, so that new settings do not hide older runs.
    """
    settings = recipe.model_dump(
        mode="json", exclude=NOT_PART_OF_A_SEED | {"training"}, exclude_defaults=True
    )
    training = recipe.training.model_dump(mode="json", exclude={"seeds"}, exclude_defaults=True)
    key = fingerprint([recipe.model.name, settings, training])
    return f"{recipe.name}-{key[:10]}"
