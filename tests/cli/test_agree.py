"""``mmerc agree`` on files of several raters."""

import csv
import io
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "annotation"))
from annotated_files import FIRST, SECOND, write_csv, write_eaf, write_textgrid

KAPPA = (0.75 - 0.3125) / (1 - 0.3125)  # of FIRST and SECOND


def test_raters_in_four_formats_are_matched_by_id_and_time(mmerc, tmp_path):
    write_csv(tmp_path / "one.csv", FIRST)
    write_eaf(tmp_path / "two.eaf", SECOND, shift=120)
    write_textgrid(tmp_path / "three.TextGrid", FIRST, shift=40)
    (tmp_path / "four.jsonl").write_text(
        "".join(f'{{"conversation": "talk", "id": "{i}", "label": "{label.upper()}"}}\n'
                for i, label in enumerate(SECOND))
    )  # fmt: skip
    files = [tmp_path / name for name in ("one.csv", "two.eaf", "three.TextGrid", "four.jsonl")]
    outcome = mmerc("agree", *files, "--format", "json")
    assert outcome.code == 0, outcome.err
    people = outcome.json["people"]
    assert (people["utterances"], people["complete"]) == (4, 4)
    kappas = {(p["first"], p["second"]): p["kappa"]["value"] for p in people["pairs"]}
    assert kappas["one", "two"] == pytest.approx(KAPPA)
    assert kappas["one", "three"] == pytest.approx(1)
    assert kappas["two", "four"] == pytest.approx(1)
    assert people["labels"] == ["anger", "joy", "neutral"]
    assert [s["name"] for s in people["speakers"]] == ["Ann", "Bob"]
    assert "so utterances are resampled" in outcome.err


def test_text_shows_coefficients_and_confusion(mmerc, tmp_path):
    files = [write_csv(tmp_path / "a.csv", FIRST), write_csv(tmp_path / "b.csv", SECOND)]
    outcome = mmerc("agree", *files, "--order", "anger,neutral,joy")
    assert outcome.code == 0, outcome.err
    for line in ("percent agreement     75.0", f"Cohen's kappa       {KAPPA:.3f}", "quadratic",
                 "a (rows) by b (columns):", "anger         1       1       0"):  # fmt: skip
        assert line in outcome.out


def test_raters_as_columns_and_a_results_table(mmerc, tmp_path):
    rows = ["id,ann,ben,cleo", *(f"{i},{'xy'[i % 2]},{'xy'[i % 3 % 2]},x" for i in range(12))]
    (tmp_path / "all.csv").write_text("\n".join(rows))
    outcome = mmerc("agree", tmp_path / "all.csv", "--raters", "ann,ben,cleo", "--format", "csv")
    assert outcome.code == 0, outcome.err
    table = list(csv.DictReader(io.StringIO(outcome.out)))
    pairs = {row["about"] for row in table if row["measure"] == "kappa"}
    assert pairs == {"ann and ben", "ann and cleo", "ben and cleo"}
    renamed = (
        (tmp_path / "all.csv").read_text().replace("ann,ben,cleo", "label.ann,label.ben,label.cleo")
    )
    (tmp_path / "all.csv").write_text(renamed)
    assert mmerc("agree", tmp_path / "all.csv", "--format", "csv").out == outcome.out


def test_tiers_of_two_annotators_in_one_file(mmerc, tmp_path):
    from pympi import Eaf

    eaf = Eaf()
    for annotator, labels in (("Zoe", FIRST), ("Yan", SECOND)):
        eaf.add_tier(f"emotion@{annotator}", ann=annotator)
        for number, label in enumerate(labels):
            eaf.add_annotation(f"emotion@{annotator}", 1000 * number, 1000 * number + 900, label)
    eaf.to_file(str(tmp_path / "both.eaf"))
    outcome = mmerc("agree", tmp_path / "both.eaf", "--format", "json")
    assert outcome.code == 0, outcome.err
    (pair,) = outcome.json["people"]["pairs"]
    assert (pair["first"], pair["second"]) == ("Zoe", "Yan")
    assert pair["kappa"]["value"] == pytest.approx(KAPPA)


def test_folders_are_raters_with_one_file_per_recording(mmerc, tmp_path):
    for rater, labels in (("ann", FIRST), ("ben", SECOND)):
        (tmp_path / rater).mkdir()
        write_eaf(tmp_path / rater / "one.eaf", labels, media="")
        write_textgrid(tmp_path / rater / "two.TextGrid", labels)
    outcome = mmerc("agree", tmp_path / "ann", tmp_path / "ben", "--format", "json")
    assert outcome.code == 0, outcome.err
    people = outcome.json["people"]
    assert (people["utterances"], people["conversations"]) == (8, 2)
    assert people["resampled"] == "conversations"


def many(path, seed, *, agree=0.8):
    numbers = np.random.default_rng(seed)
    truth = np.random.default_rng(0).integers(3, size=200)
    labels = np.where(numbers.random(200) < agree, truth, numbers.integers(3, size=200))
    rows = [f"c{i % 10},{i},{'abc'[label]}" for i, label in enumerate(labels)]
    path.write_text("\n".join(["conversation,id,label", *rows]))
    return path


def test_model_is_compared_with_people_and_tested(mmerc, tmp_path):
    people = [many(tmp_path / f"p{i}.csv", i + 1) for i in range(3)]
    good, bad = many(tmp_path / "good.csv", 9), many(tmp_path / "bad.csv", 8, agree=0)
    outcome = mmerc("agree", *people, "--model", good, "--format", "json")
    assert outcome.code == 0, outcome.err
    assert outcome.json["test"]["passed"] is True
    assert len(outcome.json["model"]) == 3
    assert outcome.json["people"]["raters"] == ["p0", "p1", "p2"]
    outcome = mmerc("agree", *people, "--model", bad)
    assert "the model is not shown to be able to replace a rater" in outcome.out
    alone = mmerc("agree", people[0], "--model", good)
    assert alone.code == 0 and "p0 and the model" in alone.out
    assert "needs two raters" in alone.err


def test_analysis_folder_stands_for_its_results(mmerc, tmp_path):
    write_csv(tmp_path / "talk.csv", SECOND)
    (tmp_path / "talk.html").write_text("<html></html>")
    mine = write_csv(tmp_path / "mine.csv", FIRST)
    for name in ("talk", "talk.html", "talk.csv"):
        outcome = mmerc("agree", mine, "--model", tmp_path / name, "--format", "json")
        assert outcome.code == 0, outcome.err
        assert outcome.json["model"][0]["kappa"]["value"] == pytest.approx(KAPPA)


@pytest.mark.parametrize(
    ("labels", "options", "problem"),
    [
        (FIRST, ("--order", "anger,joy"), "used 'neutral', which is not one of them"),
        (("", "", "", ""), (), "an empty annotation"),
        (None, (), "labelled no utterance in common"),
        (FIRST, ("--raters", "x,y"), "no column 'x'"),
    ],
)
def test_invalid_calls_give_one_sentence_errors(mmerc, tmp_path, labels, options, problem):
    one = write_csv(tmp_path / "a.csv", FIRST)
    two = write_csv(
        tmp_path / "b.csv", labels or SECOND, conversation="talk" if labels else "another"
    )
    outcome = mmerc("agree", one, two, *options)
    assert outcome.code == 1
    assert problem in outcome.sentence


def test_single_or_repeated_rater_is_refused(mmerc, tmp_path):
    one = write_csv(tmp_path / "a.csv", FIRST)
    assert "needs two raters" in mmerc("agree", one).sentence
    assert "is given twice" in mmerc("agree", one, one).sentence


def test_two_labels_for_one_utterance_are_refused(mmerc, tmp_path):
    one, two = write_csv(tmp_path / "a.csv", FIRST), write_csv(tmp_path / "b.csv", SECOND)
    two.write_text(two.read_text() + "talk,0,Ann,0,0.9,fear\n")
    assert "labelled twice, as 'joy' and as 'fear'" in mmerc("agree", one, two).sentence
