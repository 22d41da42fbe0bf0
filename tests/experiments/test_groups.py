import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from mmerc.evaluation.predictions import Predictions
from mmerc.experiments.papers.df_erc.figures import (
    _by_cross_entropy,
    _by_rank,
    _by_similarity,
)
from mmerc.experiments.plots.groups import equal_groups, merge_seeds
from mmerc.labels import LabelSet

LABELS = LabelSet("own", ("a", "b", "c"))
SIZE = 40


def predictions(seed=0, *, psi=None, weight=None):
    numbers = np.random.default_rng(seed)
    probabilities = numbers.dirichlet(np.ones(3), SIZE).astype(np.float32)
    nothing = np.full(SIZE, np.nan, np.float32)
    return Predictions(
        labels=LABELS,
        conversations=tuple(f"c{i // 4}" for i in range(SIZE)),
        utterances=tuple(str(i) for i in range(SIZE)),
        gold=numbers.integers(0, 3, SIZE),
        probabilities=probabilities,
        weights={"text": nothing if weight is None else weight},
        similarity=nothing if psi is None else psi,
        context_weight=nothing,
    )


@given(st.lists(st.floats(-5, 5) | st.just(float("nan")), min_size=1, max_size=30),
       st.integers(1, 10))  # fmt: skip
def test_groups_split_a_ranking_into_equal_parts(values, count):
    values = np.array(values)
    groups = equal_groups(values, count)
    joined = np.concatenate([*groups.values(), np.zeros(0, int)]).astype(int)
    assert len(joined) == len(set(joined)) == (~np.isnan(values)).sum()
    assert (np.diff(values[joined]) >= 0).all()
    sizes = [len(chosen) for chosen in groups.values()]
    assert not sizes or max(sizes) - min(sizes) <= 1 or len(groups) < count


def test_scores_by_similarity():
    psi = np.random.default_rng(1).normal(size=SIZE).astype(np.float32)
    created = predictions(psi=psi)
    rows = _by_similarity(created, "weighted_f1")
    order = np.argsort(psi, kind="stable")
    assert [row["group"] for row in rows][0::4] == ["0-20 %", "80-100 %"]
    for row, chosen in zip(rows, order.reshape(5, 8), strict=True):
        expected = f1_score(
            created.gold[chosen], created.predicted[chosen], average="weighted", zero_division=0
        )
        assert row["weighted_f1"] == pytest.approx(100 * expected, abs=1e-6)
        assert row["similarity"] == pytest.approx(float(psi[chosen].mean()), abs=1e-6)


def test_weights_by_cross_entropy():
    weight = np.arange(SIZE, dtype=np.float32)
    weight[3] = np.nan
    created = predictions(weight=weight)
    rows = _by_cross_entropy(created, "accuracy")
    gold = created.probabilities[np.arange(SIZE), created.gold]
    for row, chosen in zip(rows, np.argsort(-gold, kind="stable").reshape(4, 10), strict=True):
        assert row["weight text"] == pytest.approx(float(np.nanmean(weight[chosen])))
        right = (created.predicted[chosen] == created.gold[chosen]).mean()
        assert row["accuracy"] == pytest.approx(100 * right)
    assert rows[0]["accuracy"] > rows[-1]["accuracy"]


def test_ranks_equal_the_reference():
    psi = np.arange(SIZE, dtype=np.float32)
    reference, own = predictions(0, psi=psi), predictions(0)
    rows = _by_rank(reference, own, "accuracy")
    right = (own.predicted == own.gold).reshape(10, 4).mean(axis=1)
    assert [row["accuracy"] for row in rows] == pytest.approx(list(100 * right))


def test_groups_are_merged_over_seeds():
    one = [{"group": "x", "score": 1.0, "weight": None}, {"group": "y", "score": 2.0}]
    two = [{"group": "x", "score": 3.0, "weight": 5.0}]
    first, second = merge_seeds([one, two], {"row": "r"})
    assert (first["row"], first["score"], first["weight"]) == ("r", 2.0, 5.0)
    assert first["score deviation"] == pytest.approx(2**0.5)
    assert (second["score"], second["score deviation"]) == (2.0, 0.0)
