import csv

import pytest
from very_small import ROWS, SMALL

from mmerc.cli.output import silent
from mmerc.executors.executor import Executor
from mmerc.experiments.reproduction.plan import PlanOptions
from mmerc.experiments.reproduction.reproduce import ReproductionSettings, reproduce
from mmerc.training.cache import RunCache
from mmerc.training.corpus_source import CorpusSource
from mmerc.training.hardware import Hardware


@pytest.fixture(scope="session")
def make_settings(tmp_path_factory):
    """A function that creates settings for reproducing with very small models."""
    cache = RunCache(tmp_path_factory.mktemp("runs-cache"))

    def make(corpus, out, *, rows=(), changes=SMALL, seeds=2, lines=None, **settings):
        names = ("quick", "end_to_end", "targets")
        options = {name: settings.pop(name) for name in names if name in settings}
        if not isinstance(corpus, CorpusSource):
            corpus = CorpusSource(corpus=corpus, quick=options.get("quick", False))
        defaults = {
            "corpus": corpus,
            "executor": Executor(), "hardware": Hardware(accelerator="cpu"), "cache": cache,
            "use_cache": True, "train": True,
        }  # fmt: skip
        return ReproductionSettings(
            out=out,
            options=PlanOptions(rows=tuple(rows), changes=tuple(changes), seeds=seeds, **options),
            report=silent if lines is None else lines.append,
            **(defaults | settings),
        )

    return make


@pytest.fixture(scope="session")
def corpus_folder(tmp_path_factory, small_corpus):
    folder = tmp_path_factory.mktemp("prepared") / "small"
    small_corpus.save(folder)
    return folder


@pytest.fixture(scope="session")
def finished(tmp_path_factory, make_settings, corpus_folder):
    """Folder of a reproduction of part of DF-ERC's Table 2 with two seeds; read-only."""
    out = tmp_path_factory.mktemp("reproduced") / "out"
    reproduce("df-erc-table2", make_settings(corpus_folder, out, rows=ROWS))
    return out


@pytest.fixture
def report_only(make_settings, corpus_folder):
    """A function that reports a target from a folder of finished runs."""

    def call(target, out, *, corpus=corpus_folder, rows=(), **changes):
        settings = make_settings(corpus, out, rows=rows, train=False, **changes)
        return reproduce(target, settings)[target]

    return call


@pytest.fixture(scope="session")
def read_csv():
    def read(path):
        with open(path, newline="") as file:
            return list(csv.DictReader(file))

    return read
