"""What a report says of the paper's signs."""

import pytest

from mmerc.evaluation.comparison import Versus
from mmerc.evaluation.significance import Comparison, SeedTest
from mmerc.experiments.plan import Choice, make_plan
from mmerc.experiments.report.content import difference_table, score_table, verdict
from mmerc.experiments.scores import Ours, ScoredRow
from mmerc.experiments.target import Numbers


@pytest.fixture
def plan(small_corpus):
    return make_plan("df-erc-table2", small_corpus, Choice())


@pytest.fixture
def scored(plan):
    """A function that makes rows of (our difference, its interval, the paper's difference)."""

    def make(*differences, seeds=3):
        rows = []
        for row, (difference, low, high, paper) in zip(plan.rows, differences, strict=False):
            versus = None
            if difference is not None:
                versus = Versus(
                    name=row.name, mcnemar_p_values=(), adjusted=0.5,
                    bootstrap=Comparison(
                        metric="weighted_f1", difference=difference, low=low, high=high, level=0.95,
                        p_value=0.25,
                    ),
                    seeds=SeedTest(
                        difference=difference, paired=True, t_p_value=None, wilcoxon_p_value=None
                    ),
                )  # fmt: skip
            ours = Ours(
                mean=60.0, std=1.5, interval=(58, 62), accuracy=61.0, per_class={}, seeds=seeds,
                versus=versus,
            )  # fmt: skip
            rows.append(ScoredRow(row=row, paper=Numbers(), paper_difference=paper, ours=ours))
        return rows

    return make


FIRST = (None, 0, 0, None)


def test_signs_are_counted(plan, scored):
    rows = scored(
        FIRST, (-1, -2, -0.5, -3), (-1, -2, 1, -3), (1, -1, 2, -1), (2, 1, 3, -1), (0, 0, 0, -1),
        (-1, -2, 0.5, None),
    )  # fmt: skip
    assert verdict(plan, rows) == (
        "2 of 4 differences from DF-ERC have the paper's sign (1 with an interval that leaves out "
        "0), 2 the other (1)."
    )
    told = [row[-1] for row in difference_table(plan, rows).rows]
    unsure = ", but ours cannot be told from 0"
    assert told == ["yes", "yes" + unsure, "no" + unsure, "no", "", ""]


def test_nothing_is_said_where_nothing_can_be_compared(plan, scored):
    assert verdict(plan, scored(FIRST)) == ""
    assert verdict(plan, scored(FIRST, (0, 0, 0, -1))) == ""
    assert difference_table(plan, scored(FIRST)) is None


@pytest.mark.parametrize(("seeds", "cell"), [(1, "60.00"), (2, "60.00 ± 1.50")])
def test_one_seed_has_no_deviation(plan, scored, seeds, cell):
    (row,) = score_table(plan, scored(FIRST, seeds=seeds)).rows
    assert row[3] == cell
