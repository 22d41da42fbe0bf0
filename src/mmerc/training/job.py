"""The description of a training, independent of where it runs and what it is for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mmerc.data.corpus import PreparedCorpus
from mmerc.training.cache import RunCache, seed_key
from mmerc.training.corpus_source import CorpusSource
from mmerc.training.hardware import Hardware
from mmerc.training.recipe import Recipe
from mmerc.training.reporting import Reporter


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingJob:
    """One training: a recipe on a corpus with a seed.

    It is a seed of a run or of a reproduction (``finish_seed``), or a fold or trial of a search
    (``validate``). ``directory`` holds only its files; ``name`` prefixes its progress lines.
    """

    recipe: Recipe
    corpus: CorpusSource
    seed: int
    directory: Path
    name: str
    hardware: Hardware
    cache: RunCache | None
    report: Reporter

    def key(self, corpus: PreparedCorpus) -> str:
        """Hash everything that determines the result; ``corpus`` is the opened corpus."""
        return seed_key(self.recipe, corpus, self.seed, self.hardware)

    def say(self, line: str) -> None:
        """Report a line of progress."""
        self.report(f"{self.name}: {line}")
