"""Trainings scored only on held-out conversations: folds and trials of a search."""

from __future__ import annotations

import shutil

from mmerc.errors import UsageError
from mmerc.training.cache import create_try
from mmerc.training.job import TrainingJob
from mmerc.training.trainer import train_seed


def validate(job: TrainingJob) -> float:
    """Return the weighted F1 of the best epoch on validation, from the cache if available.

    Only a line in the cache's list of tries is kept. Weights are discarded, and an interrupted
    training starts again.
    """
    corpus = job.corpus.open()
    key = job.key(corpus)
    score = None if job.cache is None else job.cache.score(key)
    if score is not None:
        return score
    try:
        trained = train_seed(
            job.recipe, corpus, job.directory,
            seed=job.seed, hardware=job.hardware, report=job.say,
        )  # fmt: skip
    finally:
        shutil.rmtree(job.directory, ignore_errors=True)
    if trained is None:
        raise UsageError("Tuning does not train data-parallel; leave --devices at 1.")
    score = trained.valid_weighted_f1
    if job.cache is not None:
        line = create_try(
            job.recipe, corpus, key=key, seed=job.seed, validated_on=job.corpus.validated_on,
            score=score,
        )  # fmt: skip
        job.cache.log(line)
    return score
