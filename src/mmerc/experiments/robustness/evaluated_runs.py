"""The models to measure: finished runs with all seeds, or single models."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mmerc.conversation import Modality
from mmerc.data.corpus import PreparedCorpus
from mmerc.errors import InputError, UsageError
from mmerc.files import read_json
from mmerc.models.base import AnyModel
from mmerc.models.model_folder import locate_model
from mmerc.models.registry import load_model
from mmerc.training.result import read_result


@dataclass(frozen=True, kw_only=True)
class EvaluatedRun:
    """A run or a single model: ``folders`` of its models by seed; ``first`` is loaded.

    ``run`` is the run's folder, None for a single model.
    """

    name: str
    folders: Mapping[str, Path]
    first: AnyModel
    run: Path | None

    @property
    def modalities(self) -> tuple[Modality, ...]:
        return tuple(self.first.inputs.output_widths)


def find_runs(sources: Sequence[str]) -> list[EvaluatedRun]:
    """Find runs, model folders, models that come with mmerc, and models on the Hub.

    UsageError for duplicates; other errors come from reading them.
    """
    if len(set(sources)) < len(sources):
        raise UsageError("A run is named twice; name each once.")
    short = [Path(source).name for source in sources]
    return [
        _find_run(source, name if short.count(name) == 1 else source)
        for source, name in zip(sources, short, strict=True)
    ]


def _find_run(source: str, name: str) -> EvaluatedRun:
    """Find a run with all its seeds, or one model; ``name`` is its name in the results."""
    path = Path(source)
    run = path if (path / "run.json").is_file() else None
    if run is None:
        folders = {"model": locate_model(source)}
    else:
        seeds = [f"seed-{int(seed['seed'])}" for seed in read_result(run)["seeds"]]
        folders = {seed: run / seed / "model" for seed in seeds}
    first = load_model(next(iter(folders.values())))
    return EvaluatedRun(name=name, folders=folders, first=first, run=run)


def check_corpus(evaluated: EvaluatedRun, corpus: PreparedCorpus) -> None:
    """InputError if a run was trained on different conversations or vectors.

    A single model does not record its corpus; its labels are compared on prediction.
    """
    if evaluated.run is None:
        return
    path = evaluated.run / "run.json"
    value = read_json(path)
    trained_on = value.get("fingerprints") if isinstance(value, dict) else None
    if not isinstance(trained_on, dict):
        raise InputError(path, "does not say what the run was trained on", "train the run again")
    for part in ("conversations", *evaluated.first.inputs.widths):
        if trained_on.get(part) != corpus.fingerprints.get(part):
            what = part if part == "conversations" else f"{part} vectors"
            problem = f"was trained on other {what} than those of corpus {corpus.name!r}"
            fix = "name the corpus that it was trained on, or one of its models alone"
            raise InputError(evaluated.run, problem, fix)


def check_modalities(runs: Sequence[EvaluatedRun], modalities: Collection[str]) -> None:
    """UsageError if no model reads one of the modalities, or none reads any at all."""
    read = {modality for run in runs for modality in run.modalities}
    names = ", ".join(run.name for run in runs)
    for modality in modalities:
        if modality not in read:
            raise UsageError(f"{names} reads no {modality}; leave --modality {modality} out.")
    if not read:
        raise UsageError(f"{names} reads no modality; there is nothing to disturb.")
