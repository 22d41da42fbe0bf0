"""Write scores on other corpora to a model card."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from mmerc.conversation import Split
from mmerc.errors import InputError
from mmerc.evaluation.metrics import Metric
from mmerc.experiments.transfer.transfer_scores import TransferResult, TransferScore
from mmerc.files import read_text, write_text
from mmerc.training.card_tables import (
    OTHER_CORPORA_HEADING,
    join_names,
    line,
    set_section,
    table,
)

_NOTE = (
    "Percent on their {split} split, with 95 % bootstrap intervals over conversations. Chance is "
    "the unweighted recall of guessing."
)
_COLUMNS = ("corpus", "utterances", "labels", "modalities", "unweighted recall", "chance",
            "weighted F1")  # fmt: skip


def find_card(model: str | Path) -> Path:
    """Return the card of a model folder; InputError if there is none."""
    card = Path(model) / "README.md"
    if not card.is_file():
        fix = "name a packaged model's folder (`mmerc package`)"
        raise InputError(model, "no model folder with a card (README.md)", fix)
    return card


def write_card_scores(
    model: str | Path, results: Mapping[str, TransferResult], *, split: Split
) -> None:
    """Write the scores to a model card with the remarks on them, replacing earlier ones."""
    card = find_card(model)
    rows = [row for name, result in results.items() for row in _rows(name, result)]
    remarks = [f"- {name}: {text}." for name, result in results.items() for text in result.remarks]
    parts = [f"{OTHER_CORPORA_HEADING}\n", f"{_NOTE.format(split=split)}\n", table(_COLUMNS), *rows]
    section = "\n".join([*parts, *(["", *remarks] if remarks else [])])
    write_text(card, set_section(read_text(card), section))


def _rows(name: str, result: TransferResult) -> Iterator[str]:
    """Yield a line for each set of modalities."""
    for score in result.scores:
        yield line(
            [
                name,
                f"{score.utterances:,}",
                f"{len(result.alignment.common)}",
                join_names(score.modalities),
                _with_interval(score, "unweighted_recall"),
                f"{result.chance:.1f}",
                _with_interval(score, "weighted_f1"),
            ]
        )


def _with_interval(score: TransferScore, metric: Metric) -> str:
    """A score with its interval."""
    bounds = score.intervals[metric]
    interval = "" if bounds is None else f" ({bounds[0]:.1f} to {bounds[1]:.1f})"
    return f"{score.scores[metric]:.1f}{interval}"
