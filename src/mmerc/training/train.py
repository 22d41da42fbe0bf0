"""``mmerc.train``: train a recipe on a corpus, like the command ``mmerc train``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmerc.data.corpus import PreparedCorpus
from mmerc.data.corpus_media import add_corpus_sounds
from mmerc.errors import UsageError
from mmerc.executors.executor import Engine, Executor
from mmerc.training.cache import RunCache
from mmerc.training.corpus_source import CorpusSource
from mmerc.training.hardware import Hardware
from mmerc.training.recipe import Recipe
from mmerc.training.recipe_files import load_recipe
from mmerc.training.reporting import Reporter
from mmerc.training.run import train_run


def train(
    recipe: Recipe | str | Path,
    corpus: PreparedCorpus | str | Path,
    out: str | Path,
    *,
    media: str | Path | None = None,
    seeds: int | None = None,
    changes: Sequence[str] = (),
    resume: bool = False,
    jobs: int = 1,
    engine: Engine = "local",
    accelerator: str = "auto",
    devices: int = 1,
    cache: bool = True,
    progress: bool = False,
    report: Reporter = print,
) -> dict[str, Any]:
    """Train a recipe with several seeds, evaluate each once on test, and write a run to ``out``.

    ``recipe`` is a Recipe, a recipe name (``df-erc-mosi``, ``PACKAGE:NAME``) or a YAML file;
    ``changes`` such as ``training.epochs=3`` apply to a name or a file. ``corpus`` is a prepared
    corpus or its folder, with all three splits; models that read waveforms need ``media``, the
    folder of the raw corpus. Seeds 0 to ``seeds`` - 1 are trained (default: the recipe's number),
    ``jobs`` at a time in local processes or on a Ray cluster. The epoch is chosen on validation.
    ``resume`` continues an interrupted run; ``cache`` reuses finished seeds from the cache folder
    and stores new ones there. ``accelerator`` is auto, cpu, gpu, cuda or mps; several ``devices``
    train data-parallel. ``progress`` shows a bar; ``report`` receives warnings and a line per
    epoch.

    Returns the content of ``result.json``: scores of every seed in percent, their mean, standard
    deviation and 95 % interval, versions and fingerprints. UsageError for an invalid recipe or
    setting; InputError for an unsuitable corpus or folder; MmercError if training fails.
    """
    if not isinstance(recipe, Recipe):
        recipe = load_recipe(recipe, changes)
    elif changes:
        raise UsageError("Changes apply to the name or file of a recipe, not to a Recipe.")
    if isinstance(corpus, PreparedCorpus):
        source = CorpusSource(corpus=add_corpus_sounds(corpus, media))
    else:
        source = CorpusSource.create(corpus, media=media)
    return train_run(
        recipe,
        source,
        Path(out),
        seeds=seeds,
        resume=resume,
        executor=Executor(jobs=jobs, engine=engine),
        hardware=Hardware(accelerator=accelerator, devices=devices, progress=progress),
        cache=RunCache.default() if cache else None,
        report=report,
    )
