"""Report shares of emotions in a study, corrected with a labelled sample."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mmerc.annotation.labelled_sample import LabelledSample, match_sample
from mmerc.annotation.predicted_rows import read_predicted_rows
from mmerc.csv_text import format_csv
from mmerc.evaluation.corrected_shares import GroupShares, correct_shares
from mmerc.evaluation.label_sampling import CHOSEN, UNCERTAIN

_FEW_LABELS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareReport:
    """Shares in the whole study, and by the values of each column."""

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
    """Estimate the share of each emotion from predictions and a labelled random sample.

    ``by`` names columns of the predictions (``speaker``, ``conversation``, a study's
    ``condition``). InputError for several raters, utterances without prediction, or unknown labels.
    """
    rows = read_predicted_rows(Path(predictions))
    matched = match_sample(rows, Path(sample))
    predicted, gold = matched.predicted, matched.gold
    settings: dict[str, Any] = {
        "labels": matched.labels, "probabilities": rows.probabilities, "draws": draws, "seed": seed,
    }  # fmt: skip
    (whole,) = correct_shares(predicted, gold, **settings)
    grouped = {
        name: tuple(correct_shares(predicted, gold, groups=rows.read_column(name), **settings))
        for name in by
    }
    return ShareReport(whole=whole, by=grouped, remarks=tuple(_doubts(matched, whole, grouped)))


def _doubts(
    sample: LabelledSample, whole: GroupShares, grouped: dict[str, tuple[GroupShares, ...]]
) -> Iterator[str]:
    """List reasons why the shares are less certain."""
    if UNCERTAIN in sample.strategies:
        yield (
            "WARNING: the labelled utterances are those that the model was least sure of, so these "
            "shares are biased and the intervals are not valid; label a random sample."
        )
    elif CHOSEN in sample.strategies and whole.labelled < whole.utterances:
        yield (
            "WARNING: the raters chose which lines to label, so these shares may be biased and the "
            "intervals may not be valid; label a random sample (`mmerc sample`)."
        )
    else:
        yield "the intervals are valid if the labels are a random sample of these predictions."
    if whole.labelled < _FEW_LABELS:
        yield f"only {whole.labelled} labels; below {_FEW_LABELS} the prior has much influence."
    for name, groups in grouped.items():
        empty = [group.group for group in groups if not group.labelled]
        if empty:
            names = ", ".join(empty[:5]) + (", ..." if len(empty) > 5 else "")
            yield (
                f"no label in {len(empty)} groups by {name} ({names}); the labels of others are "
                "used."
            )


def share_values(report: ShareReport) -> dict[str, Any]:
    """Convert the report to JSON values."""
    return asdict(report)


def describe_shares(report: ShareReport) -> str:
    """Format the report as text."""
    lines = _group_lines(report.whole, "all utterances")
    for name, groups in report.by.items():
        for group in groups:
            lines += ["", *_group_lines(group, f"{name} {group.group}")]
    return "\n".join(lines) + "\n"


def _group_lines(group: GroupShares, title: str) -> list[str]:
    """Format the shares of one group in percent."""
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
    """Format the report as CSV; shares from 0 to 1."""
    rows = [
        {
            "by": name, "group": group.group, "label": share.label, "predicted": share.naive,
            "corrected": share.share, "low": share.low, "high": share.high,
            "utterances": group.utterances, "labelled": group.labelled,
        }
        for name, groups in {"": (report.whole,), **report.by}.items()
        for group in groups
        for share in group.shares
    ]  # fmt: skip
    return format_csv(list(rows[0]), rows)
