"""The tables of a transfer test as Markdown, CSV and JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mmerc.conversation import Split
from mmerc.evaluation.metrics import Metric
from mmerc.experiments.plots.style import METRIC_NAMES, as_csv
from mmerc.experiments.reports.content import ReportContent, ReportTable, render_markdown
from mmerc.experiments.transfer.transfer_scores import TransferResult, TransferScore
from mmerc.files import write_json, write_text

_NOTE = (
    "Percent, means over seeds, with a 95 % bootstrap interval over conversations. Prior known: "
    "the same predictions, reweighted by one factor per label so that each label is as common as "
    "in the corpus. The gain is what different label frequencies cost; the rest is a failure "
    "to recognise emotions. Unweighted recall: the mean over labels, regardless of frequency."
)
_SHARES_NOTE = "Percent of the utterances, with all modalities, of the first seed."


def write_transfer(
    results: Mapping[str, TransferResult], out: Path, *, model: str, split: Split
) -> ReportTable:
    """Write transfer.md, transfer.csv and transfer.json; return the table of scores."""
    rows = [score.to_json() for result in results.values() for score in result.scores]
    write_text(out / "transfer.csv", as_csv(rows))
    write_json(out / "transfer.json", transfer_json(results, model=model, split=split))
    table = _scores_table(results)
    content = ReportContent(
        title=f"Transfer of {model}",
        lines=tuple(_describe(name, result, split) for name, result in results.items()),
        remarks=tuple(
            f"{name}: {line}" for name, result in results.items() for line in result.remarks
        ),
        plots=(),
        tables=(table, _shares_table(results)),
    )
    write_text(out / "transfer.md", render_markdown(content))
    return table


def transfer_json(
    results: Mapping[str, TransferResult], *, model: str, split: Split
) -> dict[str, Any]:
    """Build the content of ``transfer.json``."""
    corpora = {
        name: {
            "chance": round(result.chance, 4),
            "majority": round(result.majority, 4),
            "model_labels": dict(result.alignment.model),
            "corpus_labels": dict(result.alignment.corpus),
            "scores": [score.to_json() for score in result.scores],
            "labels": [asdict(share) for share in result.shares],
            "remarks": list(result.remarks),
        }
        for name, result in results.items()
    }
    return {"model": model, "split": split, "corpora": corpora}


def _describe(name: str, result: TransferResult, split: Split) -> str:
    """Describe a corpus in one line: size, and scores of guessing."""
    whole = result.scores[0]
    return (
        f"{name}, {split} split: {whole.utterances} utterances in {whole.conversations} "
        f"conversations, {len(result.alignment.common)} labels "
        f"({', '.join(result.alignment.common)}). Guessing scores {result.chance:.1f} unweighted "
        f"recall; always predicting the most common label scores {result.majority:.1f} weighted F1."
    )


def _scores_table(results: Mapping[str, TransferResult]) -> ReportTable:
    columns = ["corpus", "modalities"]
    for metric in results[next(iter(results))].scores[0].scores:
        columns += [METRIC_NAMES[metric], "95 % interval", "prior known"]
    rows = tuple(_cells(score) for result in results.values() for score in result.scores)
    return ReportTable(title="Scores", note=_NOTE, columns=tuple(columns), rows=rows)


def _cells(score: TransferScore) -> tuple[str, ...]:
    cells = [score.corpus, " + ".join(score.modalities)]
    for metric in score.scores:
        cells += [_value(score, metric), _interval(score, metric), f"{score.matched[metric]:.1f}"]
    return tuple(cells)


def _value(score: TransferScore, metric: Metric) -> str:
    """Format a score, with its deviation if there are several seeds."""
    deviation = score.deviations[metric]
    return f"{score.scores[metric]:.1f}" + (f" ± {deviation:.1f}" if deviation else "")


def _interval(score: TransferScore, metric: Metric) -> str:
    bounds = score.intervals[metric]
    return "" if bounds is None else f"{bounds[0]:.1f} to {bounds[1]:.1f}"


def _shares_table(results: Mapping[str, TransferResult]) -> ReportTable:
    rows = tuple(
        (
            share.corpus,
            share.label,
            f"{share.gold:.1f}",
            f"{share.predicted:.1f}",
            "" if share.recall is None else f"{share.recall:.1f}",
        )
        for result in results.values()
        for share in result.shares
    )
    columns = ("corpus", "label", "in the corpus", "predicted", "recall")
    return ReportTable(title="Labels", note=_SHARES_NOTE, columns=columns, rows=rows)
