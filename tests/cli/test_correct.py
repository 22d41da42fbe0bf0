"""``mmerc correct`` as a program."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "inference"))
from talk import ANALYSIS

from mmerc.inference.results import write_results


@pytest.fixture
def results(tmp_path):
    write_results(ANALYSIS, tmp_path / "results", stem="talk")
    return tmp_path / "results"


def test_changes_are_listed_and_written(mmerc, results, tmp_path):
    table = (results / "talk.csv").read_text().replace("12.0,sadness", "12.0,fear")
    (tmp_path / "mine.csv").write_text(table)
    listed = mmerc("correct", results / "talk", tmp_path / "mine.csv")
    assert listed.code == 0, listed.err
    assert listed.out.splitlines()[1].split() == ["3", "label", "sadness", "fear", "mine"]
    outcome = mmerc(
        "correct", results, tmp_path / "mine.csv", "--rater", "Zoe", "--out", tmp_path / "out",
        "--json",
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    assert outcome.json["changes"][0]["rater"] == "Zoe"
    assert len(outcome.json["files"]) == 7
    agreement = mmerc("agree", tmp_path / "out/talk.csv", "--model", results / "talk.TextGrid")
    assert agreement.code == 0, agreement.err
    assert "percent agreement   96.0" in agreement.out


def test_unchanged_file_is_reported(mmerc, results, tmp_path):
    outcome = mmerc("correct", results, results / "talk.eaf", "--out", tmp_path / "out")
    assert outcome.out == f"nothing was changed\n6 files in {tmp_path / 'out'}\n"


def test_failures_give_one_sentence_errors(mmerc, results, tmp_path):
    table = (results / "talk.csv").read_text().replace("12.0,sadness", "12.0,bored")
    (tmp_path / "mine.csv").write_text(table)
    outcome = mmerc("correct", results, tmp_path / "mine.csv")
    assert outcome.code == 1
    assert "line 5: 'bored' is not one of the labels; use one of neutral" in outcome.sentence
    outcome = mmerc("correct", results, results / "talk.eaf", "--rater", "a", "--rater", "b")
    assert outcome.code == 2
    assert "2 names of raters for 1 files" in outcome.sentence
