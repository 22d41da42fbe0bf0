"""A run: one recipe on one corpus with several seeds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mmerc.conversation import SPLITS
from mmerc.data.corpus import PreparedCorpus
from mmerc.data.sounds import missing_sounds
from mmerc.errors import InputError, MmercError
from mmerc.evaluation.predictions import Predictions
from mmerc.executors.executor import Executor
from mmerc.files import read_json, write_json
from mmerc.models.registry import model_class
from mmerc.training.cache import RunCache
from mmerc.training.corpus_source import CorpusSource
from mmerc.training.folder import (
    Run,
    begin,
    check_folder,
    forget_unless_trained,
    is_worker,
    locked,
)
from mmerc.training.hardware import Hardware
from mmerc.training.job import TrainingJob
from mmerc.training.recipe import DEFAULT_BATCH, Recipe
from mmerc.training.reporting import Reporter
from mmerc.training.result import build_result
from mmerc.training.seed import finish_seed


def train_run(
    recipe: Recipe,
    corpus: PreparedCorpus | CorpusSource,
    directory: Path,
    *,
    seeds: int | None = None,
    resume: bool = False,
    executor: Executor | None = None,
    hardware: Hardware | None = None,
    cache: RunCache | None = None,
    report: Reporter = print,
) -> dict[str, Any]:
    """Train seeds 0 to ``seeds`` - 1, evaluate each once on test, and write ``result.json``.

    With a ``cache``, seeds that were finished before are taken from it.
    """
    source = corpus if isinstance(corpus, CorpusSource) else CorpusSource(corpus=corpus)
    run = Run(directory=directory, recipe=recipe, corpus=source.open())
    check_splits(run.corpus)
    check_folder(directory)
    with locked(directory):
        begin(run, resume=resume)
        _warn_of_seen_labels(run, report)
        _warn_of_missing_sounds(run, report)
        _warn_of_two_batch_sizes(run.recipe, report)
        jobs = [
            TrainingJob(
                recipe=recipe, corpus=source, seed=seed, name=f"seed {seed}",
                directory=run.seed_directory(seed).absolute(), hardware=hardware or Hardware(),
                cache=cache, report=report,
            )
            for seed in range(recipe.training.seeds if seeds is None else seeds)
        ]  # fmt: skip
        try:
            (executor or Executor()).map(finish_seed, jobs)
        except MmercError:
            forget_unless_trained(directory)
            raise
        return {} if is_worker() else write_result(run)


def _warn_of_seen_labels(run: Run, report: Reporter) -> None:
    """Warn if validation scores are too high because an encoder has seen the labels."""
    valid = {conversation.id for conversation in run.corpus.splits["valid"]}
    for modality in run.recipe.model.modalities:
        table = run.corpus.features.get(modality)
        if table is None or (modality == "text" and run.recipe.model.trains_text_encoder):
            continue
        seen = sum(row.saw_label and row.conversation in valid for row in table.rows.values())
        if seen:
            report(
                f"warning: {seen} {modality} vectors of validation come from a network that was "
                "trained on their labels, so validation scores are too high"
            )


def _warn_of_missing_sounds(run: Run, report: Reporter) -> None:
    """Warn about utterances without sound."""
    missing = missing_sounds(run.corpus.sounds.values())
    if missing:
        report(f"warning: {missing} sound files are missing; their utterances have no sound")


def _warn_of_two_batch_sizes(recipe: Recipe, report: Reporter) -> None:
    """Warn about an unused ``batch_utterances``."""
    utterances, conversations = (
        recipe.training.batch_utterances, recipe.training.batch_conversations
    )  # fmt: skip
    if model_class(recipe.model.name).unit == "utterance" or None in (utterances, conversations):
        return
    if utterances != DEFAULT_BATCH:  # earlier versions wrote this value into every recipe
        report(
            f"warning: batch_utterances: {utterances} is not used, because batch_conversations: "
            f"{conversations} comes before it; set training.batch_conversations=null to use it"
        )


def check_splits(corpus: PreparedCorpus) -> None:
    """InputError unless all three splits have labelled utterances."""
    counts = corpus.counts()
    for split in SPLITS:
        if split not in counts or not sum(counts[split]["labels"].values()):
            problem = f"no labelled utterance in its {split} split"
            raise InputError(f"corpus {corpus.name!r}", problem, "prepare a corpus with one")


def write_result(run: Run) -> dict[str, Any]:
    """Gather all finished seeds into ``result.json``."""
    files = sorted(run.directory.glob("seed-*/seed.json"), key=lambda f: int(f.parent.name[5:]))
    seeds: list[Any] = [read_json(file) for file in files]
    if not seeds:
        return {}
    predictions = [Predictions.load(file.parent / "predictions-test.parquet") for file in files]
    result = build_result(
        recipe=run.recipe.name,
        model=run.recipe.model.name,
        corpus=run.corpus,
        seeds=seeds,
        predictions=predictions,
    )
    write_json(run.directory / "result.json", result)
    return result
