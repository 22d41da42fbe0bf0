"""``mmerc shares`` on predictions and labels of a sample."""

import csv
import io
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

NAMES = ("calm", "glad", "cross")


@pytest.fixture
def files(tmp_path):
    """Predictions of 300 utterances as JSON Lines, CSV and Parquet, and 60 labels."""
    numbers = np.random.default_rng(0)
    rows, sample = [], ["conversation,id,label"]
    for i in range(300):
        true = NAMES[numbers.choice(3, p=(0.6, 0.3, 0.1))]
        label = true if numbers.random() < 0.7 else NAMES[numbers.integers(3)]
        probabilities = {name: 0.8 if name == label else 0.1 for name in NAMES}
        rows.append({"conversation": f"c{i // 50}", "id": str(i), "speaker": ("Ann", "Bob")[i % 2],
                     "condition": ("x", "y", None)[i // 100], "start": 1.0 * i, "end": i + 0.9,
                     "label": label, "probabilities": probabilities})  # fmt: skip
        if i % 5 == 0:
            sample.append(f"c{i // 50},{i},{true.upper()}")
    (tmp_path / "sample.csv").write_text("\n".join(sample))
    (tmp_path / "p.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    flat = [
        {k: v for k, v in row.items() if k != "probabilities"}
        | {f"probability_{name}": p for name, p in row["probabilities"].items()}
        for row in rows
    ]
    (tmp_path / "study").mkdir()
    pq.write_table(pa.Table.from_pylist(flat), tmp_path / "study" / "utterances.parquet")
    (tmp_path / "talks").mkdir()
    for name in sorted({row["conversation"] for row in rows}):
        own = [json.dumps(row) + "\n" for row in rows if row["conversation"] == name]
        (tmp_path / "talks" / f"{name}.jsonl").write_text("".join(own))
    return tmp_path


def test_shares_are_equal_for_all_prediction_formats(mmerc, files):
    answers = [
        mmerc("shares", files / name, "--labels", files / "sample.csv", "--format", "json")
        for name in ("p.jsonl", "study", "study/utterances.parquet", "talks")
    ]
    assert all(answer.code == 0 for answer in answers), answers[0].err
    assert all(answer.json == answers[0].json for answer in answers)
    whole = answers[0].json["whole"]
    assert (whole["utterances"], whole["labelled"]) == (300, 60)
    assert sum(share["share"] for share in whole["shares"]) == pytest.approx(1)
    assert "random sample" in answers[0].err


def test_groups_and_table(mmerc, files):
    outcome = mmerc("shares", files / "study", "--labels", files / "sample.csv",
                    "--by", "speaker,condition", "--format", "csv")  # fmt: skip
    assert outcome.code == 0, outcome.err
    table = list(csv.DictReader(io.StringIO(outcome.out)))
    groups = {(row["by"], row["group"]) for row in table}
    assert groups == {("", "all"), ("speaker", "Ann"), ("speaker", "Bob"), ("condition", "x"),
                      ("condition", "y"), ("condition", "(none)")}  # fmt: skip
    text = mmerc("shares", files / "study", "--labels", files / "sample.csv", "--by", "speaker")
    assert "speaker Ann: 150 utterances" in text.out and "corrected %" in text.out


@pytest.mark.parametrize(
    ("sample", "options", "problem"),
    [
        ("id,label\n1,bored\n", (), "used 'bored', which is not one of them"),
        ("id,label\n1,\n", (), "an empty annotation"),
        ("conversation,id,label\nother,1,calm\n", (), "labels belong to utterances that were not"),
        ("conversation,id,rater,label\nc0,1,a,calm\nc0,1,b,glad\n", (), "labels of 2 raters"),
        ("conversation,id,label\nc0,1,calm\n", ("--by", "mood"), "--by 'mood' is not a column"),
    ],
)
def test_invalid_calls_are_refused(mmerc, files, sample, options, problem):
    (files / "s.csv").write_text(sample)
    outcome = mmerc("shares", files / "p.jsonl", "--labels", files / "s.csv", *options)
    assert outcome.code in {1, 2}
    assert problem in outcome.sentence


def test_unusable_predictions_are_refused(mmerc, files):
    text = (files / "p.jsonl").read_text()
    (files / "twice.jsonl").write_text(text + text.splitlines()[0] + "\n")
    (files / "none.csv").write_text("id,mood\n1,calm\n")
    for name, problem in (("twice.jsonl", "occurs twice"), ("none.csv", "no column 'label'"),
                          ("x.parquet", "no such file")):  # fmt: skip
        outcome = mmerc("shares", files / name, "--labels", files / "sample.csv")
        assert problem in outcome.sentence
