"""Out-of-fold text vectors: no encoder has seen the labels of the text it encodes."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from mmerc.data.corpus import PreparedCorpus
from mmerc.errors import InputError, UsageError
from mmerc.executors.executor import Engine, Executor
from mmerc.features.store import FeatureTable
from mmerc.files import atomic_file, file_fingerprint, fingerprint, read_json, write_json
from mmerc.models.model_folder import find_model_folder
from mmerc.prediction.text_encoding import (
    Encoded,
    build_text_table,
    encode_conversations,
    load_encoder,
)
from mmerc.training.corpus_source import CorpusSource, Fold
from mmerc.training.folder import locked
from mmerc.training.hardware import Hardware
from mmerc.training.job import TrainingJob
from mmerc.training.recipe import Recipe
from mmerc.training.recipe_files import load_recipe
from mmerc.training.reporting import Reporter
from mmerc.training.trainer import train_seed

_ENCODED = "encoded.safetensors"


def encode_text_out_of_fold(
    corpus: PreparedCorpus | str | Path,
    run: str | Path,
    *,
    folds: int,
    work: str | Path,
    jobs: int = 1,
    engine: Engine = "local",
    hardware: Hardware | None = None,
    report: Reporter = print,
) -> PreparedCorpus:
    """Return the corpus with text vectors from encoders that have not seen the labels.

    ``run`` is a finished run on this corpus that trains a text encoder. Its recipe is trained
    again for each of ``folds`` folds, without the conversations of that fold, which the new encoder
    then encodes. [decided] The epoch is chosen on the validation split. The run's own encoder,
    trained on all training conversations, encodes validation and test, like new recordings.

    ``work`` is a folder for the trainings: an interrupted call resumes from it, and the caller
    removes it once the vectors are stored. ``jobs`` folds are trained in parallel. InputError for a
    run on another corpus or without a text encoder, and for a folder with other folds.
    """
    run, work = Path(run), Path(work).absolute()
    recipe = _read_recipe(run)
    source = CorpusSource(
        corpus=Path(corpus).absolute() if isinstance(corpus, str | Path) else corpus
    )
    prepared = source.open()
    _check_run(run, prepared)
    sources = [replace(source, fold=Fold(number=i, folds=folds)) for i in range(folds)]
    for fold in sources:
        fold.open()  # refuses more folds than the corpus allows
    with locked(work):
        _record_folds(work, recipe, prepared, folds=folds)
        job = TrainingJob(
            recipe=recipe, corpus=source, seed=0, name="", directory=work,
            hardware=hardware or Hardware(), cache=None, report=report,
        )  # fmt: skip
        trainings = [
            replace(job, corpus=fold, name=fold.validated_on, directory=work / fold.validated_on)
            for fold in sources
        ]
        Executor(jobs=jobs, engine=engine).map(_finish_fold, trainings)
        table = _gather(prepared, run, trainings)
    return replace(prepared, features={**prepared.features, "text": table})


def _read_recipe(run: Path) -> Recipe:
    """Read the recipe of a run; InputError unless it trains a text encoder."""
    if not (run / "run.json").is_file():
        fix = "train one with `mmerc train`, and name its folder"
        raise InputError(run, "not a run, whose recipe out-of-fold encoders need", fix)
    recipe = load_recipe(run / "recipe.yaml")
    if not recipe.model.trains_text_encoder:
        fix = "name a run that trains a text encoder"
        raise InputError(run, "its model has no text encoder", fix)
    if recipe.model.speech is not None:
        raise UsageError(
            f"{run} trains a speech encoder too; out-of-fold text vectors need a run that does not."
        )
    return recipe


def _check_run(run: Path, corpus: PreparedCorpus) -> None:
    """InputError unless the run was trained on this corpus's conversations."""
    identity = read_json(run / "run.json")
    trained_on = identity.get("fingerprints", {}) if isinstance(identity, dict) else {}
    if trained_on.get("conversations") != corpus.fingerprints["conversations"]:
        problem = f"was not trained on the conversations of corpus {corpus.name!r}"
        raise InputError(run, problem, "name the corpus that it was trained on")


def _record_folds(work: Path, recipe: Recipe, corpus: PreparedCorpus, *, folds: int) -> None:
    """Record the trainings, or check that they are unchanged."""
    identity = {
        "recipe": recipe.model_dump(mode="json", exclude={"name", "description", "search"}),
        "fingerprints": corpus.fingerprints,
        "folds": folds,
    }
    path = work / "folds.json"
    if not path.exists():
        write_json(path, identity)
    elif read_json(path) != identity:
        problem = "contains folds of another recipe, corpus or number"
        raise InputError(work, problem, "remove it, or choose another --out")


def _finish_fold(job: TrainingJob) -> None:
    """Train the encoder of one fold and encode its conversations, unless already done."""
    path = job.directory / _ENCODED
    if path.is_file():
        job.say("already encoded")
        return
    parts = job.corpus.open()
    valid = replace(job.corpus, fold=None).open().splits["valid"]
    corpus = replace(parts, splits={"train": parts.splits["train"], "valid": valid})
    trained = train_seed(
        job.recipe, corpus, job.directory, seed=job.seed, hardware=job.hardware, report=job.say
    )
    if trained is None or trained.model.text_encoder is None:
        raise UsageError("Folds do not train data-parallel; train on one device.")
    for remark in trained.remarks:
        job.say(f"warning: {remark}")
    encoder, held_out = trained.model.text_encoder, list(parts.splits["valid"])
    encoded = encode_conversations(encoder, held_out, corpus.labels)
    _save_vectors(path, encoded, width=encoder.width)
    for item in job.directory.iterdir():
        if item != path:
            shutil.rmtree(item) if item.is_dir() else item.unlink()


def _save_vectors(path: Path, encoded: Iterable[Encoded], *, width: int) -> None:
    """Write the vectors of each conversation, NaN for utterances without text."""
    tensors = {
        conversation.id: torch.stack(
            [
                torch.full((width,), torch.nan) if vector is None else torch.from_numpy(vector)
                for vector in vectors
            ]
        )
        for conversation, vectors in encoded
    }
    with atomic_file(path) as temporary:
        save_file(tensors, temporary)


def _gather(corpus: PreparedCorpus, run: Path, trainings: list[TrainingJob]) -> FeatureTable:
    """Join the vectors of all folds, validation and test."""
    paths = [training.directory / _ENCODED for training in trainings]
    encoder, _, weights = load_encoder(find_model_folder(run))
    out_of_fold = {name: tensor for path in paths for name, tensor in load_file(path).items()}
    others = [item for split, items in corpus.splits.items() if split != "train" for item in items]
    encoded: list[Encoded] = [
        (item, [None if row.isnan().any() else row.numpy() for row in out_of_fold[item.id]])
        for item in corpus.splits["train"]
    ]
    encoded += encode_conversations(encoder, others, corpus.labels)
    identity = fingerprint([weights, *map(file_fingerprint, paths)])
    return build_text_table(
        encoder, encoded, weights=identity, labelled=frozenset(), folds=len(paths)
    )
