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
_PRIOR_NOTE = (
    "Prior known: the same predictions, reweighted so that each label is as common as in the "
    "corpus. The gain is what different label frequencies cost; the rest is a failure to recognise "
    "emotions."
)
_FORMER_COLUMNS = ("corpus", "split", "utterances", "labels", "modalities", "unweighted recall",
                   "chance", "weighted F1")  # fmt: skip
_COLUMNS = (*_FORMER_COLUMNS[:6], "prior known", "chance", "weighted F1", "prior known")
_NOT_MEASURED = "not measured"  # of rows written before the prior was known


def find_card(model: str | Path) -> Path:
    """Return the card of a model folder; InputError if scores cannot be added to it."""
    card = Path(model) / "README.md"
    if not card.is_file():
        fix = "name a packaged model's folder (`mmerc package`)"
        raise InputError(model, "no model folder with a card (README.md)", fix)
    section = find_section(read_text(card), OTHER_CORPORA_HEADING)
    if section and table(_COLUMNS) not in _with_prior_columns(section):
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
    section = _with_prior_columns(find_section(content, OTHER_CORPORA_HEADING))
    former = section.replace(table(_COLUMNS), "").splitlines()[1:]
    kept = [line for line in former if line and not line.startswith(prefixes)]
    rows = [row for name, result in results.items() for row in _rows(name, split, result)]
    remarks = [
        f"{_remark_start(name, split)}{text}."
        for name, result in results.items()
        for text in result.remarks
    ]
    notes = [line for line in kept if not line.startswith(("| ", "- "))] or [_NOTE]
    paragraphs = [
        OTHER_CORPORA_HEADING,
        "\n\n".join(notes if _PRIOR_NOTE in notes else [*notes, _PRIOR_NOTE]),
        "\n".join([table(_COLUMNS), *(line for line in kept if line.startswith("| ")), *rows]),
        "\n".join([*(line for line in kept if line.startswith("- ")), *remarks]),
    ]
    write_text(card, set_section(content, "\n\n".join(filter(None, paragraphs))))


def _with_prior_columns(section: str) -> str:
    """Return a section with the columns of the known prior; former rows say "not measured"."""
    header = table(_FORMER_COLUMNS)
    if header not in section:
        return section
    before, _, after = section.partition(header)
    rows = [_add_prior_cells(row) if row.startswith("| ") else row for row in after.split("\n")]
    return before + table(_COLUMNS) + "\n".join(rows)


def _add_prior_cells(row: str) -> str:
    """Return a former row with cells for the known prior."""
    start, recall, chance, f1 = row.removesuffix(" |").rsplit(" | ", 3)
    return f"{start} | {recall} | {_NOT_MEASURED} | {chance} | {f1} | {_NOT_MEASURED} |"


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
                f"{score.matched['unweighted_recall']:.1f}",
                f"{result.chance:.1f}",
                _with_interval(score, "weighted_f1"),
                f"{score.matched['weighted_f1']:.1f}",
            ]
        )


def _with_interval(score: TransferScore, metric: Metric) -> str:
    """A score with its interval."""
    bounds = score.intervals[metric]
    interval = "" if bounds is None else f" ({bounds[0]:.1f} to {bounds[1]:.1f})"
    return f"{score.scores[metric]:.1f}{interval}"
