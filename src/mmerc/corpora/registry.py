"""Corpus readers by name, of mmerc and of plug-ins; imported on first use."""

from __future__ import annotations

import inspect
from importlib import import_module
from inspect import Parameter

from mmerc.corpora.base import CorpusReader
from mmerc.errors import MmercError, UsageError
from mmerc.plugins import find_plugins

_READERS = {
    "meld": "mmerc.corpora.meld:MeldReader",
    "iemocap": "mmerc.corpora.iemocap:IemocapReader",
    "mosi": "mmerc.corpora.mosi:MosiReader",
    "composed": "mmerc.corpora.composed:ComposedReader",
    "goemotions": "mmerc.corpora.goemotions:GoEmotionsReader",
    "manifest": "mmerc.corpora.manifest:ManifestReader",
    "feature-pickle": "mmerc.corpora.feature_pickles:FeaturePickleReader",
}
"""mmerc's own readers: name -> module and class."""


def reader_names() -> list[str]:
    """List the names of all readers, plug-ins last."""
    return [*_READERS, *find_plugins("mmerc.corpora", reserved=_READERS)]


def corpus_reader(name: str) -> CorpusReader:
    """Look up a reader; UsageError if unknown, MmercError for a broken plug-in."""
    if name in _READERS:
        module, _, attribute = _READERS[name].partition(":")
        reader: object = getattr(import_module(module), attribute)
        package = "mmerc"
    else:
        plugins = find_plugins("mmerc.corpora", reserved=_READERS)
        if name not in plugins:
            known = ", ".join(reader_names())
            raise UsageError(f"No corpus reader is called {name!r}; choose from {known}.")
        reader, package = plugins[name].load(), plugins[name].package
    if not (isinstance(reader, type) and issubclass(reader, CorpusReader)):
        raise MmercError(
            f"The corpus {name!r} of the package {package} is not a subclass of CorpusReader; "
            f"update or uninstall {package}."
        )
    return reader()


def reader_of_corpus(corpus: str, reader: str | None) -> CorpusReader:
    """Return the reader of a prepared corpus.

    ``reader`` is the name recorded in the corpus; None for older corpora, where the corpus name is
    used. UsageError if the reader's plug-in is not installed.
    """
    if reader is not None:
        return corpus_reader(reader)
    readers = (corpus_reader(name) for name in _READERS)
    return next((r for r in readers if corpus in r.corpora), corpus_reader("manifest"))


def list_corpora() -> dict[str, tuple[str, str]]:
    """Describe every reader: name -> summary (or error of a broken plug-in) and package."""
    plugins = find_plugins("mmerc.corpora", reserved=_READERS)
    readers: dict[str, tuple[str, str]] = {}
    for name in reader_names():
        package = "mmerc" if name in _READERS else plugins[name].package
        try:
            readers[name] = corpus_reader(name).summary, package
        except MmercError as error:
            readers[name] = str(error), package
    return readers


def reader_options(reader: CorpusReader) -> dict[str, Parameter]:
    """Return the reader's options: keyword-only parameters of ``read``, with resolved types."""
    signature = inspect.signature(reader.read, eval_str=True)
    return {
        name: parameter
        for name, parameter in signature.parameters.items()
        if parameter.kind is Parameter.KEYWORD_ONLY
    }
