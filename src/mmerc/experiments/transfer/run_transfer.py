"""Run a transfer test: read corpora and labels, measure scores, write tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mmerc.conversation import Split
from mmerc.data.corpus import PreparedCorpus
from mmerc.errors import UsageError
from mmerc.experiments.reports.content import ReportTable
from mmerc.experiments.robustness.evaluated_runs import find_runs
from mmerc.experiments.transfer.label_map import (
    LabelMap,
    align_with_corpus,
    check_label_map,
    read_label_map,
)
from mmerc.experiments.transfer.transfer_report import write_transfer
from mmerc.experiments.transfer.transfer_scores import TransferResult, measure_transfer


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferOutcome:
    """The result of a transfer test: by corpus, and the table of all scores."""

    model: str
    results: Mapping[str, TransferResult]
    table: ReportTable


def run_transfer(
    model: str | Path,
    corpora: Sequence[str | Path],
    *,
    label_file: str | Path | None = None,
    split: Split = "test",
    out: str | Path = "transfer",
    report: Callable[[str], None],
) -> TransferOutcome:
    """Score a model on each prepared corpus and write the tables into the folder ``out``.

    UsageError for two corpora with the same folder name; InputError for an unsuitable label map or
    corpus. All labels are checked before prediction.
    """
    names = [Path(corpus).resolve().name for corpus in corpora]
    if len(set(names)) < len(names):
        raise UsageError("Two --corpus folders have the same name; rename one.")
    prepared = {n: PreparedCorpus.load(c) for n, c in zip(names, corpora, strict=True)}
    (run,) = find_runs([str(model)])
    model_labels = run.first.labels
    label_map = LabelMap() if label_file is None else read_label_map(Path(label_file))
    if label_file is not None:
        sets = {name: corpus.labels for name, corpus in prepared.items()}
        check_label_map(label_map, model_labels, sets, where=Path(label_file))
    alignments = {
        name: align_with_corpus(model_labels, corpus.labels, name, label_map)
        for name, corpus in prepared.items()
    }
    results = {
        name: measure_transfer(run, corpus, name, alignments[name], split=split, report=report)
        for name, corpus in prepared.items()
    }
    table = write_transfer(results, Path(out), model=run.name, split=split)
    return TransferOutcome(model=run.name, results=results, table=table)
