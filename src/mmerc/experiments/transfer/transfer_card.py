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
    find_section,
    join_names,
    line,
    set_section,
    table,
)

_NOTE = (
    "Percent, with 95 % bootstrap intervals over conversations. Chance is the unweighted recall of "
    "guessing."
)
_COLUMNS = ("corpus", "split", "utterances", "labels", "modalities", "unweighted recall",
            "chance", "weighted F1")  # fmt: skip


def find_card(model: str | Path) -> Path:
    """Return the card of a model folder; InputError if scores cannot be added to it."""
    card = Path(model) / "README.md"
    if not card.is_file():
        fix = "name a packaged model's folder (`mmerc package`)"
        raise InputError(model, "no model folder with a card (README.md)", fix)
    section = find_section(read_text(card), OTHER_CORPORA_HEADING)
    if section and table(_COLUMNS) not in section:
        problem = f"its section {OTHER_CORPORA_HEADING!r} has a table with other columns"
        raise InputError(card, problem, "delete the section and measure its corpora again")
    return card


def write_card_scores(
    model: str | Path, results: Mapping[str, TransferResult], *, split: Split
) -> None:
    """Write the scores to a model card with the remarks on them.

    They replace earlier ones of the same corpus and split; others are kept.
    """
    card = find_card(model)
    content = read_text(card)
    prefixes = tuple(
        start for name in results for start in (_row_start(name, split), _remark_start(name, split))
    )
    section = find_section(content, OTHER_CORPORA_HEADING)
    former = section.replace(table(_COLUMNS), "").splitlines()[1:]
    kept = [line for line in former if line and not line.startswith(prefixes)]
    rows = [row for name, result in results.items() for row in _rows(name, split, result)]
    remarks = [
        f"{_remark_start(name, split)}{text}."
        for name, result in results.items()
        for text in result.remarks
    ]
    paragraphs = [
        OTHER_CORPORA_HEADING,
        "\n\n".join(line for line in kept if not line.startswith(("| ", "- "))) or _NOTE,
        "\n".join([table(_COLUMNS), *(line for line in kept if line.startswith("| ")), *rows]),
        "\n".join([*(line for line in kept if line.startswith("- ")), *remarks]),
    ]
    write_text(card, set_section(content, "\n\n".join(filter(None, paragraphs))))


def _row_start(corpus: str, split: Split) -> str:
    """Return the beginning of a corpus's rows."""
    return f"| {corpus} | {split} | "


def _remark_start(corpus: str, split: Split) -> str:
    """Return the beginning of a corpus's remarks."""
    return f"- {corpus}, {split} split: "


def _rows(name: str, split: Split, result: TransferResult) -> Iterator[str]:
    """Yield a line for each set of modalities."""
    for score in result.scores:
        yield line(
            [
                name,
                split,
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
