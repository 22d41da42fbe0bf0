"""Who is disturbed: finished runs with all of their seeds, or single models."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mmerc.conversation import Modality
from mmerc.data.corpus import PreparedCorpus
from mmerc.errors import InputError, UsageError
from mmerc.files import read_json
from mmerc.models.base import AnyModel
from mmerc.models.registry import load_model, locate_model
from mmerc.training.result import read_result


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A run or a model: ``folders`` are those of its models, by seed; ``first`` is the first one.

    ``run`` is the run's folder, None for a single model.
    """

    name: str
    folders: Mapping[str, Path]
    first: AnyModel
    run: Path | None

    @property
    def modalities(self) -> tuple[Modality, ...]:
        return tuple(self.first.inputs.output_widths)


def find_subjects(sources: Sequence[str]) -> list[Subject]:
    """Runs, model folders, models that come with mmerc or lie on the Hub, each once.

    Errors are those of reading them; UsageError where one stands twice.
    """
    if len(set(sources)) < len(sources):
        raise UsageError("A run stands twice; name each once.")
    short = [Path(source).name for source in sources]
    return [
        find_subject(source, name if short.count(name) == 1 else source)
        for source, name in zip(sources, short, strict=True)
    ]


def find_subject(source: str, name: str) -> Subject:
    """A run with all seeds, or one model."""
    path = Path(source)
    run = path if (path / "run.json").is_file() else None
    if run is None:
        folders = {"model": locate_model(source)}
    else:
        seeds = [f"seed-{int(seed['seed'])}" for seed in read_result(run)["seeds"]]
        folders = {seed: run / seed / "model" for seed in seeds}
    first = load_model(next(iter(folders.values())))
    return Subject(name=name, folders=folders, first=first, run=run)


def check_corpus(subject: Subject, corpus: PreparedCorpus) -> None:
    """InputError where a run was trained on other conversations or vectors than the corpus's.

    A single model does not say what it was trained on: its labels are compared when it predicts.
    """
    if subject.run is None:
        return
    path = subject.run / "run.json"
    value = read_json(path)
    known = value.get("fingerprints") if isinstance(value, dict) else None
    if not isinstance(known, dict):
        raise InputError(path, "does not say what the run was trained on", "train the run again")
    for part in ("conversations", *subject.first.inputs.widths):
        if known.get(part) != corpus.fingerprints.get(part):
            what = part if part == "conversations" else f"{part} vectors"
            problem = f"was trained on other {what} than those of corpus {corpus.name!r}"
            fix = "name the corpus that it was trained on, or one of its models alone"
            raise InputError(subject.run, problem, fix)


def check_modalities(subjects: Sequence[Subject], wanted: Collection[str]) -> None:
    """UsageError where no model reads a modality, or not one reads any."""
    read = {modality for subject in subjects for modality in subject.modalities}
    names = ", ".join(subject.name for subject in subjects)
    for modality in wanted:
        if modality not in read:
            raise UsageError(f"{names} reads no {modality}; leave --modality {modality} out.")
    if not read:
        raise UsageError(f"{names} reads no modality; there is nothing to disturb.")
