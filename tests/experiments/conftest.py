import csv

import pytest
from very_small import ROWS, SMALL

from mmerc.cli.output import silent
from mmerc.executors.executor import Executor
from mmerc.experiments.plan import Choice
from mmerc.experiments.reproduce import Request, reproduce
from mmerc.training.cache import RunCache
from mmerc.training.corpus_source import CorpusSource
from mmerc.training.hardware import Hardware


@pytest.fixture(scope="session")
def make_request(tmp_path_factory):
    """A function that asks for very small models; settings replace parts of the request."""
    cache = RunCache(tmp_path_factory.mktemp("runs-cache"))

    def make(corpus, out, *, rows=(), changes=SMALL, seeds=2, told=None, **settings):
        choice = {k: settings.pop(k) for k in ("quick", "end_to_end") if k in settings}
        if not isinstance(corpus, CorpusSource):
            corpus = CorpusSource(corpus=corpus, quick=choice.get("quick", False))
        given = {
            "corpus": corpus,
            "executor": Executor(), "hardware": Hardware(accelerator="cpu"), "cache": cache,
            "use_cache": True, "train": True,
        } | settings  # fmt: skip
        return Request(
            out=out,
            choice=Choice(rows=tuple(rows), changes=tuple(changes), **choice),
            seeds=seeds,
            report=silent if told is None else told.append,
            **given,
        )

    return make


@pytest.fixture(scope="session")
def corpus_folder(tmp_path_factory, small_corpus):
    folder = tmp_path_factory.mktemp("prepared") / "small"
    small_corpus.save(folder)
    return folder


@pytest.fixture(scope="session")
def finished(tmp_path_factory, make_request, corpus_folder):
    """Folder of a reproduction of part of DF-ERC's Table 2 by two seeds, to be read only."""
    out = tmp_path_factory.mktemp("reproduced") / "out"
    reproduce("df-erc-table2", make_request(corpus_folder, out, rows=ROWS))
    return out


@pytest.fixture
def report_only(make_request, corpus_folder):
    """A function that reports a target of a folder of finished runs."""

    def call(target, out, *, corpus=corpus_folder, rows=(), **settings):
        request = make_request(corpus, out, rows=rows, train=False, **settings)
        return reproduce(target, request)[target]

    return call


@pytest.fixture(scope="session")
def read_csv():
    def read(path):
        with open(path, newline="") as file:
            return list(csv.DictReader(file))

    return read
