"""Statements of a report about the paper's signs."""

import pytest

from mmerc.evaluation.comparison import Versus
from mmerc.evaluation.significance import PairedDifference, SeedTest
from mmerc.experiments.reproduction.plan import PlanOptions, make_plan
from mmerc.experiments.reproduction.report_tables import difference_table, score_table, sign_summary
from mmerc.experiments.reproduction.results import RowScores, ScoredRow, TargetResults
from mmerc.experiments.reproduction.targets import PaperScores


@pytest.fixture
def plan(small_corpus):
    return make_plan("df-erc-table2", small_corpus, PlanOptions())


@pytest.fixture
def results(plan):
    """A function that creates results from (our difference, interval, the paper's difference)."""

    def make(*differences, seeds=3):
        rows = []
        for row, (difference, low, high, paper) in zip(plan.rows, differences, strict=False):
            versus = None
            if difference is not None:
                versus = Versus(
                    name=row.name, mcnemar_p_values=(), adjusted=0.5,
                    bootstrap=PairedDifference(
                        metric="weighted_f1", difference=difference, low=low, high=high, level=0.95,
                        p_value=0.25,
                    ),
                    seeds=SeedTest(
                        difference=difference, paired=True, t_p_value=None, wilcoxon_p_value=None
                    ),
                )  # fmt: skip
            ours = RowScores(
                mean=60.0, std=1.5, interval=(58, 62), accuracy=61.0, per_class={}, seeds=seeds,
                versus=versus,
            )  # fmt: skip
            rows.append(ScoredRow(row=row, paper=PaperScores(), paper_difference=paper, ours=ours))
        return TargetResults(
            target=plan.target,
            reference=plan.reference,
            metric="weighted_f1",
            baseline=None,
            trained=(),
            scored=tuple(rows),
        )

    return make


FIRST = (None, 0, 0, None)


def test_signs_are_counted(results):
    rows = results(
        FIRST, (-1, -2, -0.5, -3), (-1, -2, 1, -3), (1, -1, 2, -1), (2, 1, 3, -1), (0, 0, 0, -1),
        (-1, -2, 0.5, None),
    )  # fmt: skip
    assert sign_summary(rows) == (
        "2 of 4 differences from DF-ERC have the paper's sign (1 with an interval that excludes "
        "0), 2 the other (1)."
    )
    signs = [row[-1] for row in difference_table(rows).rows]
    unsure = ", but our interval includes 0"
    assert signs == ["yes", "yes" + unsure, "no" + unsure, "no", "", ""]


def test_no_statement_without_a_comparison(results):
    assert sign_summary(results(FIRST)) == ""
    assert sign_summary(results(FIRST, (0, 0, 0, -1))) == ""
    assert difference_table(results(FIRST)) is None


@pytest.mark.parametrize(("seeds", "cell"), [(1, "60.00"), (2, "60.00 ± 1.50")])
def test_one_seed_has_no_deviation(results, seeds, cell):
    (row,) = score_table(results(FIRST, seeds=seeds)).rows
    assert row[3] == cell
