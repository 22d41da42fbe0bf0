"""Cross-validation over training conversations, to detect small differences."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace

from mmerc.data.corpus import PreparedCorpus
from mmerc.errors import InputError


def fold_corpora(corpus: PreparedCorpus, *, folds: int, seed: int = 0) -> Iterator[PreparedCorpus]:
    """Yield the corpus ``folds`` times, each time with a different fold as validation split.

    The corpus's own validation and test splits are left out.
    """
    conversations = list(corpus.splits.get("train", ()))
    if not 2 <= folds <= len(conversations):
        problem = f"{len(conversations)} training conversations cannot make {folds} folds"
        fix = "choose between 2 and as many as there are"
        raise InputError(f"corpus {corpus.name!r}", problem, fix)
    random.Random(seed).shuffle(conversations)  # noqa: S311
    for fold in range(folds):
        held_out = conversations[fold::folds]
        training = [item for position, item in enumerate(conversations) if position % folds != fold]
        yield replace(corpus, splits={"train": tuple(training), "valid": tuple(held_out)})
