"""Shares of emotions in a study, corrected by a labelled sample, and how they are reported."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mmerc.annotation.matching import match_raters
from mmerc.annotation.predicted_rows import PredictedRows, read_predicted_rows
from mmerc.annotation.rater_files import name_conversations, read_raters
from mmerc.errors import InputError, UsageError
from mmerc.evaluation.corrected_shares import GroupShares, correct_shares

_FEW_LABELS = 30
_PREDICTED, _SAMPLE = "predictions", "sample"


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareReport:
    """Shares in the whole study, then by the values of each column."""

    whole: GroupShares
    by: dict[str, tuple[GroupShares, ...]]
    remarks: tuple[str, ...]


def report_shares(
    predictions: str | Path,
    sample: str | Path,
    *,
    by: Sequence[str] = (),
    draws: int = 4000,
    seed: int = 0,
) -> ShareReport:
    """Estimate how common each emotion is, from predictions and labels of a random sample of them.

    ``by`` names columns of the predictions (``speaker``, ``conversation``, a study's
    ``condition``). InputError if the sample has labels of several raters, of utterances that were
    not predicted, or outside the set of the predictions.
    """
    rows = read_predicted_rows(Path(predictions))
    raters = read_raters([Path(sample)])
    if len(raters) != 1:
        problem = f"labels of {len(raters)} raters ({', '.join(raters)})"
        raise InputError(sample, problem, "agree on one label per utterance, in a file of its own")
    lines = name_conversations({_PREDICTED: list(rows.lines), _SAMPLE: next(iter(raters.values()))})
    ratings, _ = match_raters(lines, rows.labels or None)
    count = len(rows.lines)
    foreign = int((ratings.values[1, count:] >= 0).sum())
    if foreign:
        problem = f"{foreign} of its labels are of utterances that were not predicted"
        raise InputError(sample, problem, "name the predictions that the sample was drawn from")
    predicted, gold = ratings.values[:, :count]
    settings: dict[str, Any] = {
        "labels": ratings.labels, "probabilities": rows.probabilities, "draws": draws, "seed": seed,
    }  # fmt: skip
    (whole,) = correct_shares(predicted, gold, **settings)
    grouped = {
        name: tuple(correct_shares(predicted, gold, groups=_read_column(rows, name), **settings))
        for name in by
    }
    return ShareReport(whole=whole, by=grouped, remarks=tuple(_doubts(whole, grouped)))


def _read_column(rows: PredictedRows, name: str) -> list[str]:
    """The values of a column; UsageError if no row has it."""
    if not any(name in row for row in rows.rows):
        columns = ", ".join(dict.fromkeys(column for row in rows.rows for column in row))
        raise UsageError(f"--by {name!r} is no column of the predictions; they have {columns}.")
    return [
        str(row.get(name) if row.get(name) not in {None, ""} else "(none)") for row in rows.rows
    ]


def _doubts(whole: GroupShares, grouped: dict[str, tuple[GroupShares, ...]]) -> Iterator[str]:
    """What makes the shares less certain."""
    yield "the intervals hold for labels of a random sample of these predictions."
    if whole.labelled < _FEW_LABELS:
        yield f"only {whole.labelled} labels; below {_FEW_LABELS} the prior weighs much."
    for name, groups in grouped.items():
        empty = [group.group for group in groups if not group.labelled]
        if empty:
            names = ", ".join(empty[:5]) + (", ..." if len(empty) > 5 else "")
            yield f"no label in {len(empty)} groups by {name} ({names}); others stand in."


def share_values(report: ShareReport) -> dict[str, Any]:
    """The report as plain values for JSON."""
    return asdict(report)


def describe_shares(report: ShareReport) -> str:
    """The report as text to read."""
    lines = _group_lines(report.whole, "all utterances")
    for name, groups in report.by.items():
        for group in groups:
            lines += ["", *_group_lines(group, f"{name} {group.group}")]
    return "\n".join(lines) + "\n"


def _group_lines(group: GroupShares, title: str) -> list[str]:
    """The shares of one group in percent."""
    width = max(8, *(len(share.label) for share in group.shares))
    lines = [f"{title}: {group.utterances} utterances, {group.labelled} labelled"]
    lines.append(f"  {'label'.ljust(width)}  predicted %  corrected %  95 % interval")
    lines += [
        f"  {share.label.ljust(width)}  {100 * share.naive:11.1f}  {100 * share.share:11.1f}  "
        f"{100 * share.low:.1f} to {100 * share.high:.1f}"
        for share in group.shares
    ]
    return lines


def tabulate_shares(report: ShareReport) -> str:
    """The report as CSV; shares from 0 to 1."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(
        ("by", "group", "label", "predicted", "corrected", "low", "high", "utterances", "labelled")
    )
    for name, groups in {"": (report.whole,), **report.by}.items():
        for group in groups:
            for share in group.shares:
                numbers = (share.naive, share.share, share.low, share.high)
                counts = (group.utterances, group.labelled)
                writer.writerow((name, group.group, share.label, *numbers, *counts))
    return text.getvalue()
