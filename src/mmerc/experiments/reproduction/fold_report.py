"""The report of alternatives: each compared with the decision, fold by fold."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mmerc.data.corpus import PreparedCorpus
from mmerc.experiments.plots.style import (
    COLOURS,
    SOFT,
    Plot,
    Records,
    house_style,
    legend_below,
    new_figure,
)
from mmerc.experiments.reports.content import ReportContent, ReportTable, write_report
from mmerc.experiments.reproduction.folds import (
    Alternative,
    FoldScores,
    compare_alternatives,
    read_folds,
)
from mmerc.experiments.reproduction.plan import Plan
from mmerc.experiments.reproduction.remarks import report_remarks
from mmerc.experiments.reproduction.report import WrittenReport
from mmerc.experiments.reproduction.report_tables import format_p


def report_folds(
    plan: Plan, corpus: PreparedCorpus, folder: Path, *, version: str | None
) -> WrittenReport:
    """Write report.html, report.md and figures/ from the folds that are finished in ``folder``."""
    scores = read_folds(plan, folder)
    alternatives = compare_alternatives(plan, scores)
    records = [_record(alternative) for alternative in alternatives]
    train = corpus.counts()["train"]
    with house_style():
        content = ReportContent(
            title=f"{plan.name}: {plan.target.title}",
            lines=(
                plan.target.shows,
                f"{plan.paper.paper}, on {corpus.name}: folds over "
                f"{train['conversations']} training conversations, {train['utterances']} "
                "utterances.",
            ),
            remarks=tuple(report_remarks(plan, corpus, version=version)),
            tables=(_alternative_table(alternatives), _fold_table(scores)),
            plots=(_plot(alternatives, records),),
        )
    write_report(content, folder)
    return WrittenReport(folder=folder, rows=records)


def _alternative_table(alternatives: Sequence[Alternative]) -> ReportTable:
    rows = []
    for item in alternatives:
        mean, std = item.summary
        better = sum(difference > 0 for difference in item.differences)
        rows.append(
            (
                item.name,
                item.against,
                f"{mean:+.2f} ± {std:.2f}",
                f"{better} of {len(item.scores)}",
                format_p(item.test.t_p_value),
                format_p(item.adjusted),
                format_p(item.test.wilcoxon_p_value),
            )
        )
    return ReportTable(
        title="Alternatives",
        note=(
            "Points of weighted F1 on held-out training conversations, above 0 where the "
            "alternative is better; t and Wilcoxon are paired over folds, Holm's correction is "
            "over the rows. Folds share training conversations, so that p values are too small."
        ),
        columns=(
            "alternative", "against", "difference", "better in", "t p", "Holm p", "Wilcoxon p",
        ),
        rows=tuple(rows),
    )  # fmt: skip


def _fold_table(scores: FoldScores) -> ReportTable:
    count = max(len(values) for values in scores.values())
    return ReportTable(
        title="Folds",
        note="Weighted F1 of the best epoch on the held-out fifth, in percent.",
        columns=("row", *(str(number) for number in range(count)), "mean"),
        rows=tuple(
            (name, *(f"{score:.2f}" for score in values), f"{sum(values) / len(values):.2f}")
            for name, values in scores.items()
        ),
    )


def _record(alternative: Alternative) -> dict[str, object]:
    mean, std = alternative.summary
    return {
        "row": alternative.name,
        "against": alternative.against,
        "difference": mean,
        "deviation": std,
        "t_p": alternative.test.t_p_value,
        "holm_p": alternative.adjusted,
        "wilcoxon_p": alternative.test.wilcoxon_p_value,
        **{f"fold {number}": value for number, value in enumerate(alternative.differences)},
    }


def _plot(alternatives: Sequence[Alternative], records: Records) -> Plot:
    """Draw the difference of every fold, and their mean."""
    figure, (axis,) = new_figure(6.4, 1.2 + 0.4 * len(alternatives))
    axis.axvline(0, color=SOFT, linewidth=1)
    for place, item in enumerate(alternatives):
        differences = item.differences
        axis.plot(differences, [place] * len(differences), "o", color=COLOURS[5], ms=5)
        axis.plot(item.summary.mean, place, "D", color=COLOURS[0], ms=6)
    names = [f"{item.name}\nagainst {item.against}" for item in alternatives]
    axis.set_yticks(range(len(alternatives)), names)
    axis.set_ylim(len(alternatives) - 0.5, -0.5)
    axis.grid(axis="y", visible=False)
    axis.set_xlabel("weighted F1, alternative minus decided (points)")
    axis.plot([], [], "o", color=COLOURS[5], label="a fold")
    axis.plot([], [], "D", color=COLOURS[0], label="mean")
    legend_below(figure, axis)
    caption = "Difference of every alternative from what was decided, a point per fold."
    return Plot(
        name="decisions", title="Fold by fold", caption=caption, figure=figure, records=records
    )
