"""A row's numbers beside the paper's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mmerc.evaluation.comparison import Versus, compare_runs
from mmerc.evaluation.metrics import Metric, class_f1
from mmerc.evaluation.significance import summarise
from mmerc.experiments.measured import Measured
from mmerc.experiments.plan import Plan
from mmerc.experiments.target import Numbers, Row
from mmerc.training.result import interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Ours:
    """Mean and deviation over seeds, and the 95 % interval over conversations, in percent."""

    mean: float
    std: float
    interval: tuple[float, float] | None
    accuracy: float
    per_class: Mapping[str, float | None]
    seeds: int
    versus: Versus | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredRow:
    """A row of the report: ``paper_difference`` and ``versus`` are against the baseline's row."""

    row: Row
    paper: Numbers
    paper_difference: float | None
    ours: Ours | None
    left_out: str = ""

    @property
    def versus(self) -> Versus | None:
        """Ours against the baseline's; None where either was not trained."""
        return None if self.ours is None else self.ours.versus

    @property
    def difference(self) -> float | None:
        """Ours less the baseline's."""
        return None if self.versus is None else self.versus.bootstrap.difference

    @property
    def same_sign(self) -> bool | None:
        """Whether the paper's difference has our sign; None where one of them is unknown or 0."""
        if not self.difference or not self.paper_difference:
            return None
        return (self.difference > 0) == (self.paper_difference > 0)

    @property
    def told_apart(self) -> bool | None:
        """Whether the interval of our difference leaves 0 out."""
        if self.versus is None:
            return None
        return self.versus.bootstrap.low > 0 or self.versus.bootstrap.high < 0


def score_rows(plan: Plan, measured: Sequence[Measured]) -> list[ScoredRow]:
    """All rows in the target's order, the published and the left out among them."""
    by_name = {item.row.name: item for item in measured}
    versus = compare(plan, by_name)
    baseline = paper_numbers(plan.target.row(plan.target.baseline), plan)
    rows = []
    for row in plan.rows:
        paper, item = paper_numbers(row, plan), by_name.get(row.name)
        rows.append(
            ScoredRow(
                row=row,
                paper=paper,
                paper_difference=paper_difference(paper, baseline, plan, row),
                ours=None if item is None else ours(item, plan.target.metric, versus),
                left_out=plan.left_out.get(row.name, ""),
            )
        )
    return rows


def compare(plan: Plan, measured: Mapping[str, Measured]) -> Mapping[str, Versus]:
    """Every row against the baseline, Holm's correction over all of them."""
    first = plan.target.baseline
    names = [first, *(name for name in measured if name != first)]
    runs = {name: measured[name].test for name in names}
    if len(runs) < 2 or conversations(measured[first]) < 2:
        return {}
    return {item.name: item for item in compare_runs(runs, metric=plan.target.metric)}


def conversations(item: Measured) -> int:
    """Conversations with a known label, which a bootstrap draws from."""
    return len(set(item.test[0].known().conversations))


def ours(item: Measured, metric: Metric, versus: Mapping[str, Versus]) -> Ours:
    """Summary of a row."""
    mean, std = summarise(item.values(metric))
    bounds = interval(item.test, metric)
    return Ours(
        mean=mean,
        std=std,
        interval=None if bounds is None else (bounds[0], bounds[1]),
        accuracy=summarise(item.values("accuracy")).mean,
        per_class=per_class(item),
        seeds=len(item.seeds),
        versus=versus.get(item.row.name),
    )


def per_class(item: Measured) -> dict[str, float | None]:
    """Mean F1 of every label over the seeds; None where gold lacks it."""
    occurs = item.confusions[0].sum(axis=1) > 0
    means = class_f1(item.confusions).mean(axis=0)
    labels = item.test[0].labels
    return {
        n: float(f1) if there else None for n, f1, there in zip(labels, means, occurs, strict=True)
    }


def paper_numbers(row: Row, plan: Plan) -> Numbers:
    """What the paper has on the corpus that ours is compared with."""
    return row.paper.get(plan.comparison.compare, Numbers())


def paper_difference(paper: Numbers, baseline: Numbers, plan: Plan, row: Row) -> float | None:
    """The paper's row less its baseline's."""
    metric = plan.target.metric
    if row.name == plan.target.baseline or metric == "macro_f1":
        return None
    one, other = getattr(paper, metric), getattr(baseline, metric)
    return None if one is None or other is None else round(one - other, 2)
