"""Corpus readers and extractors by name: those of mmerc, and those of other packages."""

import sys

import pytest

from mmerc.corpora.registry import (
    _READERS,
    corpus_reader,
    list_corpora,
    reader_names,
    reader_of_corpus,
    reader_options,
)
from mmerc.data.preparation import prepare_corpus
from mmerc.errors import MmercError, UsageError
from mmerc.features.registry import _EXTRACTORS, NamedExtractor, _extractor_names, list_extractors

MODULE = '''
from mmerc.corpora.base import CorpusReader


class Reader(CorpusReader):
    name = "tiny"
    summary = "Nothing at all"

    def read(self, source, *, size: int = 1):
        raise RuntimeError


class Extractor:
    """Not one. Really."""


plain = dict
'''


@pytest.fixture
def install(tmp_path, monkeypatch):
    """A function that installs a package with these entry points: group -> lines."""

    def call(**groups):
        info = tmp_path / "tiny_package-1.0.dist-info"
        info.mkdir()
        (tmp_path / "tiny_package.py").write_text(MODULE)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: tiny-package\nVersion: 1.0\n")
        text = "".join(f"[mmerc.{group}]\n{lines}\n" for group, lines in groups.items())
        (info / "entry_points.txt").write_text(text)
        monkeypatch.syspath_prepend(str(tmp_path))
        monkeypatch.delitem(sys.modules, "tiny_package", raising=False)

    return call


def test_built_in_readers_describe_themselves():
    for name in _READERS:
        reader = corpus_reader(name)
        assert (reader.name, list_corpora()[name]) == (name, (reader.summary, "mmerc"))
    assert reader_of_corpus("iemocap-4-ratio", None).name == "iemocap"
    assert reader_of_corpus("composed", None).name == "composed"
    assert reader_of_corpus("mine", None).name == "manifest"
    assert reader_of_corpus("meld", "manifest").terms is None


def test_reader_of_another_package(install, tmp_path):
    install(corpora="tiny = tiny_package:Reader")
    assert reader_names()[-1] == "tiny"
    assert list_corpora()["tiny"] == ("Nothing at all", "tiny-package")
    assert list(reader_options(corpus_reader("tiny"))) == ["size"]
    with pytest.raises(UsageError, match="'tiny' has no option 'width'; choose from size"):
        prepare_corpus("tiny", tmp_path, tmp_path / "out", width=3)


def test_mismatched_options_are_refused(tmp_path):
    with pytest.raises(UsageError, match="'mosi' has no option 'labels'; it has none"):
        prepare_corpus("mosi", tmp_path, tmp_path / "out", labels="meld")
    with pytest.raises(UsageError, match="'feature-pickle' needs the option 'labels'"):
        prepare_corpus("feature-pickle", tmp_path, tmp_path / "out")
    with pytest.raises(UsageError, match="No corpus reader is called 'melt'; choose from meld"):
        prepare_corpus("melt", tmp_path, tmp_path / "out")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("meld = tiny_package:Reader", "a name that mmerc itself uses"),
        ("tiny = tiny_package:plain", "not a subclass of CorpusReader"),
        ("tiny = tiny_package:nothing", "cannot be loaded"),
        ("tiny = no_package:Reader", "cannot be loaded"),
    ],
)
def test_invalid_readers_are_refused(install, line, message):
    install(corpora=line)
    with pytest.raises(MmercError, match=message) as caught:
        corpus_reader("tiny")
    assert "tiny-package" in str(caught.value)


def test_extractors_of_another_package(install):
    install(extractors="odd = tiny_package:Extractor\nnone = tiny_package:nothing")
    assert set(_extractor_names()) == {*_EXTRACTORS, "odd", "none"}
    assert list_extractors()["odd"] == ("Not one", "tiny-package")
    assert "cannot be loaded" in list_extractors()["none"][0]
    with pytest.raises(MmercError, match="'odd' of the package tiny-package is not a class"):
        NamedExtractor("odd")()
    with pytest.raises(UsageError, match="No extractor is called 'is11'; choose from is10"):
        NamedExtractor("is11")()
