"""A run: one recipe on one corpus with several seeds, in one folder.

RUN/recipe.yaml  run.json  result.json
RUN/seed-0/model/  history.csv  predictions-valid.parquet  predictions-test.parquet
           confusion.csv  seed.json  tensorboard/  (while training: resume.safetensors)
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from mmerc.data.corpus import PreparedCorpus
from mmerc.errors import InputError, MmercError
from mmerc.evaluation.metrics import confusion, score
from mmerc.evaluation.predictions import Predictions
from mmerc.files import read_json, write_json, write_text
from mmerc.labels import LabelSet
from mmerc.models.base import AnyModel, TrainedOn
from mmerc.training.recipe import Recipe
from mmerc.training.result import scores_json, summary, versions
from mmerc.training.scoring import predict_corpus
from mmerc.training.trainer import Hardware, train_seed

Report = Callable[[str], None]


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


def train_run(
    recipe: Recipe,
    corpus: PreparedCorpus,
    directory: Path,
    *,
    seeds: int | None = None,
    resume: bool = False,
    hardware: Hardware | None = None,
    report: Report = print,
) -> dict[str, Any]:
    """Train seeds 0 to ``seeds`` - 1, evaluate each once on test, and write ``result.json``."""
    run = Run(directory=directory, recipe=recipe, corpus=corpus)
    check_splits(corpus)
    check_folder(directory)
    with locked(directory):
        begin(run, resume=resume)
        try:
            for seed in range(recipe.training.seeds if seeds is None else seeds):
                finish_seed(run, seed, hardware or Hardware(), report)
        except MmercError:
            forget_unless_trained(directory)
            raise
        return {} if is_worker() else write_result(run)


def check_splits(corpus: PreparedCorpus) -> None:
    """Training needs labelled utterances in all three splits."""
    for split, counted in (corpus.counts() | missing_splits(corpus)).items():
        if not sum(counted["labels"].values()):
            problem = f"no labelled utterance in its {split} split"
            raise InputError(f"corpus {corpus.name!r}", problem, "prepare a corpus with one")


def missing_splits(corpus: PreparedCorpus) -> dict[str, Any]:
    """Empty counts for every split that the corpus lacks."""
    return {s: {"labels": {}} for s in ("train", "valid", "test") if s not in corpus.splits}


def is_worker() -> bool:
    """Whether this is a data-parallel run's second, third, ... process, which writes nothing."""
    return int(os.environ.get("LOCAL_RANK", "0")) > 0


def check_folder(directory: Path) -> None:
    """Refuse a folder that holds something else, before anything is written to it."""
    if not directory.is_dir() or (directory / "run.json").exists():
        return
    if any(item.name != ".lock" for item in directory.iterdir()):
        mend = "choose another --out"
        raise InputError(directory, "holds other files, not a run of mmerc", mend)


def forget_unless_trained(directory: Path) -> None:
    """Take a run away that failed before its first batch, so that it can be begun anew."""
    if not is_worker() and not any(directory.glob("seed-*")):
        for name in ("run.json", "recipe.yaml", ".lock"):
            (directory / name).unlink(missing_ok=True)
        with suppress(OSError):
            directory.rmdir()


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Keep a second process out of a run's folder (the workers of one run belong together)."""
    if is_worker():
        yield
        return
    directory.mkdir(parents=True, exist_ok=True)
    with open(directory / ".lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise MmercError(
                f"{directory}: another process is training in this folder; wait for it, "
                "or choose another --out."
            ) from error
        yield


def begin(run: Run, *, resume: bool) -> None:
    """Write down what the run is, or check that it is the same as before."""
    path = run.directory / "run.json"
    if not path.exists():
        write_json(path, run.identity() | {"versions": versions()})
        recipe = run.recipe.model_dump(mode="json")
        write_text(run.directory / "recipe.yaml", yaml.safe_dump(recipe, sort_keys=False))
        return
    if not resume and not is_worker():
        mend = "pass --resume to go on with it, or choose another --out"
        raise InputError(run.directory, "holds a run already", mend)
    before = read_json(path)
    now = run.identity()
    changed = [key for key in now if not isinstance(before, dict) or before.get(key) != now[key]]
    if changed:
        problem = f"was begun with another {' and '.join(changed)}"
        raise InputError(run.directory, problem, "choose another --out")


def finish_seed(run: Run, seed: int, hardware: Hardware, report: Report) -> None:
    """Train and evaluate one seed, unless that is done."""
    directory = run.seed_directory(seed)
    if (directory / "seed.json").exists():
        report(f"seed {seed}: done before")
        return
    trained = train_seed(
        run.recipe, run.corpus, directory, seed=seed, hardware=hardware,
        report=lambda line: report(f"seed {seed}: {line}"),
    )  # fmt: skip
    if trained is None:
        return
    model, epoch = trained
    predictions = {s: predict_corpus(model, run.corpus, s) for s in ("valid", "test")}
    for split, made in predictions.items():
        made.save(directory / f"predictions-{split}.parquet")
    write_text(directory / "confusion.csv", confusion_csv(predictions["test"]))
    seen = frozenset(conversation.id for conversation in run.corpus.splits["train"])
    model.save_pretrained(
        directory / "model",
        card=model_card(run, model, seed),
        trained_on=TrainedOn(corpus=run.corpus.name, conversations=seen),
    )
    scores = {s: scores_json(score(made), model.labels) for s, made in predictions.items()}
    write_json(directory / "seed.json", {"seed": seed, "epoch": epoch} | scores)
    for leftover in ("resume.safetensors", "best.safetensors"):
        (directory / leftover).unlink(missing_ok=True)
    report(f"seed {seed}: test weighted F1 {scores['test']['weighted_f1']:.2f} (epoch {epoch + 1})")


def write_result(run: Run) -> dict[str, Any]:
    """Gather all finished seeds into ``result.json``."""
    files = sorted(run.directory.glob("seed-*/seed.json"), key=lambda f: int(f.parent.name[5:]))
    seeds: list[Any] = [read_json(file) for file in files]
    if not seeds:
        return {}
    predictions = [Predictions.load(file.parent / "predictions-test.parquet") for file in files]
    result = {
        "recipe": run.recipe.name,
        "model": run.recipe.model.name,
        "corpus": run.corpus.name,
        "seeds": seeds,
        "summary": summary([seed["test"] for seed in seeds], predictions),
        "versions": versions(),
        "fingerprints": run.corpus.fingerprints,
    }
    write_json(run.directory / "result.json", result)
    return result


def confusion_csv(predictions: Predictions) -> str:
    """Counts of gold (rows) against predicted (columns) labels."""
    labels: LabelSet = predictions.labels
    rows = [",".join(["gold", *labels])]
    for name, counts in zip(labels, confusion(predictions), strict=True):
        rows.append(",".join([name, *(str(int(count)) for count in counts)]))
    return "\n".join(rows) + "\n"


def model_card(run: Run, model: AnyModel, seed: int) -> str:
    """Model card: what it is, what it was trained on, what it must not be used for."""
    size = sum(parameter.numel() for parameter in model.parameters())
    return (
        f"# {run.recipe.name}, seed {seed}\n\n{run.recipe.description}\n\n"
        f"- model: {model.name}, {size:,} parameters\n"
        f"- corpus: {run.corpus.name} (its licence governs what these weights may be used for)\n"
        f"- labels: {', '.join(model.labels)}\n"
        f"- modalities: {', '.join(model.inputs.output_widths)}\n\n"
        "Predicted emotions are guesses about how an utterance would be labelled, not facts about "
        "a person. The EU's AI Act forbids inferring emotions at work and in education.\n"
    )
