import json

import pytest

from mmerc.errors import InputError
from mmerc.experiments.reproduction.folds import _FOLDS, Alternative, compare_alternatives
from mmerc.experiments.reproduction.plan import PlanOptions, make_plan
from mmerc.experiments.reproduction.reproduce import reproduce

ROW = "Contrast over the whole batch"


@pytest.fixture(scope="module")
def fold_decision(tmp_path_factory, make_settings, corpus_folder):
    """Folder of a decision by folds, its progress lines, and the logged tries."""
    out, lines = tmp_path_factory.mktemp("decided") / "out", []
    settings = make_settings(corpus_folder, out, rows=(ROW,), seeds=1, lines=lines)
    predictions = reproduce("df-erc-decisions", settings)["df-erc-decisions"]
    return predictions, lines, list(settings.cache.tries())


def test_every_row_is_trained_on_the_same_folds(fold_decision):
    predictions, _, tries = fold_decision
    folds = json.loads((predictions.folder / "folds.json").read_text())
    assert {name: len(scores) for name, scores in folds.items()} == {"As decided": 5, ROW: 5}
    here = [t for t in tries if t.validated_on.startswith("fold")]
    assert [t.validated_on for t in here] == [f"fold-{n}" for n in range(_FOLDS)] * 2
    scopes = [t.settings["model"]["scope"] for t in here]
    assert scopes == ["conversation"] * _FOLDS + ["batch"] * _FOLDS
    assert [t.weighted_f1 for t in here[:_FOLDS]] == folds["As decided"]


def test_report_states_the_difference(fold_decision):
    predictions, _, _ = fold_decision
    folds = json.loads((predictions.folder / "folds.json").read_text())
    pairs = zip(folds[ROW], folds["As decided"], strict=True)
    differences = [one - other for one, other in pairs]
    (row,) = predictions.rows
    assert row["difference"] == pytest.approx(sum(differences) / _FOLDS)
    assert row["fold 3"] == pytest.approx(differences[3])
    text = (predictions.folder / "report.md").read_text()
    better = sum(difference > 0 for difference in differences)
    assert f"| {ROW} | As decided | {row['difference']:+.2f} ± " in text
    assert f"| {better} of 5 |" in text


def test_only_scores_are_kept(fold_decision):
    names = {path.name for path in fold_decision[0].folder.iterdir()}
    assert names == {"folds.json", "report.html", "report.md", "figures"}
    assert not list(fold_decision[0].folder.rglob("*.safetensors"))


def test_scored_folds_are_not_trained_again(fold_decision, make_settings, corpus_folder):
    predictions, first, _ = fold_decision
    lines = []
    out = predictions.folder.parent
    settings = make_settings(corpus_folder, out, rows=(ROW,), seeds=1, lines=lines)
    assert reproduce("df-erc-decisions", settings)["df-erc-decisions"].rows == predictions.rows
    assert any("epoch" in line for line in first)
    assert not any("epoch" in line for line in lines)


def test_missing_folds_are_refused(make_settings, corpus_folder, fold_decision, report_only):
    folder = fold_decision[0].folder
    with pytest.raises(InputError, match="it has no row 'Target not detached'"):
        report_only("df-erc-decisions", folder.parent, rows=("Target not detached",), seeds=1)


def test_holm_corrects_over_all_decisions(small_corpus):
    rows = (ROW, "Target not detached")
    plan = make_plan("df-erc-decisions", small_corpus, PlanOptions(rows=rows))
    scores = {"As decided": [1.0, 2, 3, 4, 5], ROW: [2.0, 3.1, 4, 5, 6.1]}
    actual = compare_alternatives(plan, scores | {"Target not detached": [1.0, 2, 3, 4, 5.5]})
    assert [item.name for item in actual] == list(rows)
    one, other = actual
    assert isinstance(one, Alternative)
    assert one.adjusted == pytest.approx(2 * one.test.t_p_value)
    assert other.adjusted == pytest.approx(other.test.t_p_value)
    assert one.summary.mean == pytest.approx(1.04)
