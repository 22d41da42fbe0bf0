"""Corpora passed to workers: by folder or in memory, complete or one fold."""

import shutil
from dataclasses import replace

import pytest

from mmerc.training.corpus_source import CorpusSource, Fold
from mmerc.training.folds import fold_corpora


@pytest.fixture
def folder(small_corpus, tmp_path):
    small_corpus.save(tmp_path / "corpus")
    return tmp_path / "corpus"


def test_folder_is_read_once(folder, small_corpus):
    source = CorpusSource(corpus=folder)
    assert source.open() is CorpusSource(corpus=folder).open()
    assert source.open().fingerprints == small_corpus.fingerprints


def test_changed_folder_is_read_again(folder, small_corpus):
    source = CorpusSource(corpus=folder)
    source.open()
    fewer = {s: items[:1] for s, items in small_corpus.splits.items()}
    shutil.rmtree(folder)
    replace(small_corpus, splits=fewer).save(folder)
    assert source.open().splits == fewer


def test_corpus_in_memory_is_returned_unchanged(small_corpus):
    assert CorpusSource(corpus=small_corpus).open() is small_corpus


def test_quick_mode_keeps_the_first_conversations(folder, small_corpus, monkeypatch):
    counts = {"train": 2, "valid": 1, "test": 1}
    monkeypatch.setattr("mmerc.training.corpus_source._QUICK_CONVERSATIONS", counts)
    quick = CorpusSource(corpus=folder, quick=True).open()
    assert quick.splits == {s: small_corpus.splits[s][:n] for s, n in counts.items()}
    assert CorpusSource(corpus=folder).open().splits == small_corpus.splits


def test_fold_numbers_are_checked(folder, small_corpus):
    folds = list(fold_corpora(small_corpus, folds=3))
    for number, corpus in enumerate(folds):
        source = CorpusSource(corpus=folder, fold=Fold(number=number, folds=3))
        assert source.open().splits == corpus.splits
        assert source.validated_on == f"fold-{number}"
    assert CorpusSource(corpus=folder).validated_on == "valid"
