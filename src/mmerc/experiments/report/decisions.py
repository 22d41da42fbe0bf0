"""The report of decisions: every alternative against what was decided, fold by fold."""

from __future__ import annotations

from collections.abc import Sequence

from mmerc.experiments.analyses import Rows
from mmerc.experiments.decisions import Decision, Folds, decide, read_folds
from mmerc.experiments.figures.style import COLOURS, SOFT, Drawn, legend_below, looks, new_figure
from mmerc.experiments.plan import Plan
from mmerc.experiments.report.content import Report, Table, p_value
from mmerc.experiments.report.remarks import remarks
from mmerc.experiments.report.write import Written, write_pages
from mmerc.experiments.workspace import Workspace


def write_decisions(plan: Plan, workspace: Workspace) -> Written:
    """Write report.html, report.md and figures/ from the folds that are finished."""
    version = workspace.check()
    folds = read_folds(plan, workspace)
    decisions = decide(plan, folds)
    rows = [decision_row(decision) for decision in decisions]
    train = workspace.corpus.counts()["train"]
    report = Report(
        title=f"{plan.name}: {plan.target.title}",
        lines=(
            plan.target.shows,
            f"{plan.paper.paper}, on {workspace.corpus.name}: folds over "
            f"{train['conversations']} training conversations, {train['utterances']} utterances.",
        ),
        remarks=tuple(remarks(plan, workspace, [], version=version)),
        tables=(difference_table(decisions), fold_table(folds)),
        figures=(draw_decisions(decisions, rows),),
    )
    return Written(folder=write_pages(report, workspace.root / plan.folder), rows=rows)


def difference_table(decisions: Sequence[Decision]) -> Table:
    """Alternatives against what was decided."""
    rows = []
    for item in decisions:
        mean, std = item.spread
        better = sum(difference > 0 for difference in item.differences)
        rows.append(
            (
                item.name,
                item.against,
                f"{mean:+.2f} ± {std:.2f}",
                f"{better} of {len(item.scores)}",
                p_value(item.test.t_p_value),
                p_value(item.adjusted),
                p_value(item.test.wilcoxon_p_value),
            )
        )
    return Table(
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


def fold_table(folds: Folds) -> Table:
    """Scores of every fold."""
    count = max(len(scores) for scores in folds.values())
    return Table(
        title="Folds",
        note="Weighted F1 of the best epoch on the held-out fifth, in percent.",
        columns=("row", *(str(number) for number in range(count)), "mean"),
        rows=tuple(
            (name, *(f"{score:.2f}" for score in scores), f"{sum(scores) / len(scores):.2f}")
            for name, scores in folds.items()
        ),
    )


def decision_row(decision: Decision) -> dict[str, object]:
    """A decision as data."""
    mean, std = decision.spread
    return {
        "row": decision.name,
        "against": decision.against,
        "difference": mean,
        "deviation": std,
        "t_p": decision.test.t_p_value,
        "holm_p": decision.adjusted,
        "wilcoxon_p": decision.test.wilcoxon_p_value,
        **{f"fold {number}": value for number, value in enumerate(decision.differences)},
    }


def draw_decisions(decisions: Sequence[Decision], rows: Rows) -> Drawn:
    """The difference of every fold, and their mean."""
    figure, (axis,) = new_figure(6.4, 1.2 + 0.4 * len(decisions))
    with looks():
        axis.axvline(0, color=SOFT, linewidth=1)
        for place, item in enumerate(decisions):
            differences = item.differences
            axis.plot(differences, [place] * len(differences), "o", color=COLOURS[5], ms=5)
            axis.plot(item.spread.mean, place, "D", color=COLOURS[0], ms=6)
        names = [f"{item.name}\nagainst {item.against}" for item in decisions]
        axis.set_yticks(range(len(decisions)), names)
        axis.set_ylim(len(decisions) - 0.5, -0.5)
        axis.grid(axis="y", visible=False)
        axis.set_xlabel("weighted F1, alternative less decided (points)")
        axis.plot([], [], "o", color=COLOURS[5], label="a fold")
        axis.plot([], [], "D", color=COLOURS[0], label="mean")
    legend_below(figure, axis)
    says = "Difference of every alternative from what was decided, a point a fold."
    return Drawn(name="decisions", title="Fold by fold", says=says, figure=figure, rows=rows)
