"""The form in which a prepared corpus is sent to training workers."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

from mmerc.conversation import Split
from mmerc.data.corpus import PreparedCorpus
from mmerc.data.corpus_media import add_corpus_sounds
from mmerc.data.sounds import Sounds
from mmerc.training.folds import fold_corpora

_QUICK_CONVERSATIONS: dict[Split, int] = {"train": 64, "valid": 24, "test": 24}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fold:
    """One of ``folds`` parts of the training conversations, counted from 0."""

    number: int
    folds: int

    @property
    def name(self) -> str:
        return f"fold-{self.number}"


@dataclass(frozen=True, slots=True, kw_only=True)
class CorpusSource:
    """A corpus folder, which each process reads once, or a corpus in memory.

    ``sounds`` are for models that read waveforms. ``quick`` keeps only the first conversations of
    every split, for a check within minutes. With a ``fold``, its conversations are the validation
    split, the other training conversations are the training split, and there is no test split.
    """

    corpus: Path | PreparedCorpus
    sounds: Sounds = field(default_factory=dict)
    quick: bool = False
    fold: Fold | None = None

    @classmethod
    def create(
        cls, folder: str | Path, *, media: str | Path | None = None, quick: bool = False
    ) -> CorpusSource:
        """Create the source of a prepared corpus, with sounds from the raw folder ``media``."""
        corpus = Path(folder).absolute()
        sounds = {} if media is None else _sounds(corpus, media)
        return cls(corpus=corpus, sounds=sounds, quick=quick)

    @property
    def validated_on(self) -> str:
        """Name of the conversations used for validation: the valid split or a fold."""
        return "valid" if self.fold is None else self.fold.name

    def open(self) -> PreparedCorpus:
        """Return the corpus; a folder is read again only if it has changed."""
        whole = _whole_corpus(replace(self, fold=None))
        if self.fold is None:
            return whole
        folds = fold_corpora(whole, folds=self.fold.folds)
        return next(islice(folds, self.fold.number, None))


def _sounds(corpus: Path, media: str | Path) -> Sounds:
    """Return the sounds of all utterances that have one."""
    return add_corpus_sounds(PreparedCorpus.load(corpus), media).sounds


_last: list[tuple[CorpusSource, int, PreparedCorpus]] = []  # the corpus of this process


def _whole_corpus(source: CorpusSource) -> PreparedCorpus:
    """Return the corpus of all folds; reuse the last one read if it is unchanged."""
    if isinstance(source.corpus, PreparedCorpus):
        return _adapted(source.corpus, source)
    description = source.corpus / "corpus.json"
    changed = description.stat().st_mtime_ns if description.is_file() else 0
    for last_source, stamp, corpus in _last:
        if last_source == source and stamp == changed:
            return corpus
    corpus = _adapted(PreparedCorpus.load(source.corpus), source)
    _last[:] = [(source, changed, corpus)]
    return corpus


def _adapted(corpus: PreparedCorpus, source: CorpusSource) -> PreparedCorpus:
    """Return the corpus with its sounds, shortened if ``quick``."""
    if source.sounds:
        corpus = replace(corpus, sounds=source.sounds)
    if not source.quick:
        return corpus
    splits = {s: items[: _QUICK_CONVERSATIONS[s]] for s, items in corpus.splits.items()}
    return replace(corpus, splits=splits)
