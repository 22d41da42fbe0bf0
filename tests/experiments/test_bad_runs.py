import json
import shutil
from dataclasses import replace

import pytest
from very_small import ROWS, SMALL

from mmerc.errors import InputError
from mmerc.experiments.reproduction.plan import PlanOptions, make_plan
from mmerc.experiments.reproduction.reproduce import reproduce
from mmerc.experiments.reproduction.workspace import _folder_name, _version_difference


@pytest.fixture
def copied(finished, tmp_path):
    shutil.copytree(finished, tmp_path / "out")
    return tmp_path / "out"


@pytest.fixture
def run(copied, small_corpus):
    """Folder of a row's run, and the error message of a report without training."""
    plan = make_plan("df-erc-table2", small_corpus, PlanOptions(rows=ROWS, changes=SMALL))
    return copied / "runs" / _folder_name(plan.recipes["-DDM"])


@pytest.fixture
def refusal(report_only, copied):
    def call(**settings):
        with pytest.raises(InputError) as caught:
            report_only("df-erc-table2", copied, rows=("-DDM",), **settings)
        return str(caught.value)

    return call


def rewritten(path, **changes):
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_missing_run(run, refusal):
    shutil.rmtree(run)
    assert refusal() == f"{run}: no such run; train it: leave --report-only out."


def test_missing_seed(run, refusal):
    shutil.rmtree(run / "seed-1")
    assert "seed 1 of df-erc-table2's row -DDM is missing" in refusal()


def test_more_seeds_than_were_trained(refusal):
    assert "seed 2 of df-erc-table2's row DF-ERC is missing" in refusal(seeds=3)


@pytest.mark.parametrize("name", ["predictions-test.parquet", "history.csv"])
def test_damaged_file(run, refusal, name):
    (run / "seed-0" / name).write_bytes(b"epoch,seconds\n1,\n")
    assert str(run / "seed-0" / name) in refusal()


def test_run_of_another_target(run, refusal):
    rewritten(run / "run.json", corpus="other")
    assert "was started with another corpus" in refusal()


def test_folder_without_a_reproduction(report_only, tmp_path):
    with pytest.raises(InputError, match=r"contains no reproduction; leave --report-only out"):
        report_only("df-erc-table2", tmp_path)


def test_folder_with_other_files(make_settings, corpus_folder, tmp_path):
    (tmp_path / "mine.txt").write_text("x")
    with pytest.raises(InputError, match="contains other files, not a reproduction"):
        reproduce("df-erc-figure11", make_settings(corpus_folder, tmp_path))
    assert [path.name for path in tmp_path.iterdir() if path.name != ".lock"] == ["mine.txt"]


def test_another_corpus(copied, make_settings, small_corpus, tmp_path):
    _, *others = small_corpus.splits["train"]
    splits = {**small_corpus.splits, "train": tuple(others)}
    replace(small_corpus, splits=splits).save(tmp_path / "other")
    for train in (True, False):
        settings = make_settings(tmp_path / "other", copied, rows=("-DDM",), train=train)
        with pytest.raises(InputError, match="contains runs on another corpus"):
            reproduce("df-erc-table2", settings)


def test_quick_runs_are_not_mixed_with_others(copied, make_settings, corpus_folder):
    settings = make_settings(corpus_folder, copied, rows=("-DDM",), quick=True)
    with pytest.raises(InputError, match=r"was started without --quick|another corpus"):
        reproduce("df-erc-table2", settings)


def test_other_version_is_shown_but_not_mixed(copied, make_settings, corpus_folder, report_only):
    rewritten(copied / "reproduction.json", code="0" * 64)
    settings = make_settings(corpus_folder, copied, rows=("-DDM",))
    with pytest.raises(InputError) as caught:
        reproduce("df-erc-table2", settings)
    assert "results of another version (the code of mmerc has changed since)" in str(caught.value)
    predictions = report_only("df-erc-table2", copied, rows=("-DDM",))
    assert "Trained by another version: the code" in (predictions.folder / "report.md").read_text()


def test_code_version_is_identified():
    before = {"versions": {"torch": "1", "mmerc": "2"}, "code": "a"}
    now = {"versions": {"torch": "3", "mmerc": "2"}, "code": "b"}
    assert _version_difference(before, now) == "torch 1, here 3"
    assert _version_difference(now, now) is None


def test_damaged_owner_note(copied, refusal):
    (copied / "reproduction.json").write_text("{}")
    assert "does not identify its runs" in refusal()
