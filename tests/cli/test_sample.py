"""``mmerc sample``: drawn, labelled in a table or in ELAN, and read back."""

import csv
import json
import sys
from dataclasses import asdict, replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "inference"))
from talk import ANALYSIS

from mmerc.inference.results import write_results
from mmerc.labels import MELD_7

CONDITIONS = ("before", "before", "before", "after")


def true_label(conversation, name):
    """Labels as raters would give them: mostly the prediction, otherwise the next label."""
    (item,) = [item for item in ANALYSIS.predictions if item.id == name]
    place = MELD_7.index(item.label) + (int(name) + len(conversation)) % 3 // 2
    return MELD_7.names[place % len(MELD_7)]


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A study of four recordings with 25 utterances each, one with formula-like names."""
    folder = tmp_path_factory.mktemp("study")
    rows = []
    for number, condition in enumerate(CONDITIONS):
        name = f"{'=' if number == 3 else ''}talk-{number}"
        items = [
            replace(item, conversation=name, speaker=f"-{item.speaker}")
            for item in ANALYSIS.predictions
        ]
        analysis = replace(ANALYSIS, recording=f"{name}.mp4", predictions=tuple(items), marks={})
        write_results(analysis, folder / "recordings" / name)
        (folder / "recordings" / name / f"{name}.mp4").write_bytes(b"film")
        for item in items:
            values = {k: v for k, v in asdict(item).items() if not isinstance(v, dict)}
            values["emotion"] = values.pop("label")
            values["utterance"] = values.pop("id")
            shares = {f"probability_{k}": p for k, p in item.probabilities.items()}
            rows.append({"recording": name, "condition": condition, **values, **shares})
    pq.write_table(pa.Table.from_pylist(rows), folder / "utterances.parquet")
    return folder


def read_table(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def fill_table(path):
    """Label all lines in the way a spreadsheet saves them."""
    rows = read_table(path)
    for row in rows:
        row["label"] = true_label(row["conversation"].lstrip("'"), row["id"])
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return rows


def fill_eaf(path):
    """Label all empty emotion annotations; return their number."""
    tree = ElementTree.parse(path)
    rank = {
        item.get("ANNOTATION_ID"): (int(item.get("ANNOTATION_ID")[1:]) - 1) // 3
        for item in tree.iter("ALIGNABLE_ANNOTATION")
    }
    empty = [item for item in tree.iter("REF_ANNOTATION") if not item.findtext("ANNOTATION_VALUE")]
    for item in empty:
        name = ANALYSIS.predictions[rank[item.get("ANNOTATION_REF")]].id
        item.find("ANNOTATION_VALUE").text = true_label(path.stem, name)
    tree.write(path, encoding="utf-8", xml_declaration=True)
    return len(empty)


def test_sample_is_blind_and_reproducible(mmerc, study, tmp_path):
    first = mmerc("sample", study, "--utterances", 30, "--out", tmp_path / "a")
    assert first.code == 0, first.err
    assert "30 of 100 utterances to label" in first.out
    assert "50 % +- 15.0 points, 10 % +- 9.0 points" in first.out
    mmerc("sample", study, "--utterances", 30, "--out", tmp_path / "b")
    mmerc("sample", study, "--utterances", 30, "--out", tmp_path / "c", "--seed", 1)
    texts = [(tmp_path / name / "sample.csv").read_text() for name in "abc"]
    assert texts[0] == texts[1] != texts[2]
    rows = read_table(tmp_path / "a/sample.csv")
    assert list(rows[0]) == ["conversation", "id", "speaker", "start", "end", "text", "label",
                             "strategy"]  # fmt: skip
    assert {row["label"] for row in rows} == {""}
    assert all(row["speaker"].startswith("'-") for row in rows)
    assert len({(row["conversation"], row["id"]) for row in rows}) == 30
    for path in (tmp_path / "a/elan").glob("*.eaf"):
        tree = ElementTree.parse(path)
        names = {tier.get("TIER_ID").partition("@")[0] for tier in tree.iter("TIER")}
        assert names == {"words", "emotion"}
        assert not any(item.findtext("ANNOTATION_VALUE") for item in tree.iter("REF_ANNOTATION"))
        assert path.with_suffix(".mp4").read_bytes() == b"film"
    again = mmerc("sample", study, "--out", tmp_path / "a")
    assert "exists already; choose another --out" in again.sentence


def test_tables_and_elan_files_give_the_same_shares(mmerc, study, tmp_path):
    mmerc("sample", study, "--utterances", 40, "--out", tmp_path / "s", "--by", "condition")
    rows = fill_table(tmp_path / "s/sample.csv")
    assert sum("talk-3" in row["conversation"] for row in rows) == 10
    files = list((tmp_path / "s/elan").glob("*.eaf"))
    assert sum(fill_eaf(path) for path in files) == 40
    answers = [
        mmerc("shares", study, "--labels", tmp_path / "s" / name, "--format", "json")
        for name in ("sample.csv", "elan")
    ]
    assert all(answer.code == 0 for answer in answers), answers[0].err + answers[1].err
    assert answers[0].json["whole"] == answers[1].json["whole"]
    assert answers[0].json["whole"]["labelled"] == 40
    assert "random sample" in answers[0].err
    agreement = mmerc("agree", tmp_path / "s/sample.csv", "--model", study, "--format", "json")
    assert agreement.code == 0, agreement.err
    assert agreement.json["model"][0]["utterances"] == 40
    raters = mmerc("agree", tmp_path / "s/sample.csv", tmp_path / "s/elan", "--format", "json")
    assert raters.json["people"]["percent"]["value"] == 100


def test_uncertainty_samples_warn_against_use_for_shares(mmerc, study, tmp_path):
    drawn = mmerc("sample", study, "--utterances", 20, "--strategy", "uncertain", "--out",
                  tmp_path / "s")  # fmt: skip
    assert "WARNING" in drawn.err and "expected" not in drawn.out
    rows = fill_table(tmp_path / "s/sample.csv")
    table = pq.read_table(study / "utterances.parquet").to_pylist()
    confidence = {
        (row["conversation"], row["utterance"]): max(row[f"probability_{k}"] for k in MELD_7)
        for row in table
    }
    chosen = {(row["conversation"].lstrip("'"), row["id"]) for row in rows}
    rest = [value for key, value in confidence.items() if key not in chosen]
    assert max(confidence[key] for key in chosen) <= min(rest)
    for path in (tmp_path / "s/elan").glob("*.eaf"):
        fill_eaf(path)
    for name in ("sample.csv", "elan"):
        shares = mmerc("shares", study, "--labels", tmp_path / "s" / name, "--format", "json")
        assert "these shares are biased" in shares.err
        assert "biased" in shares.json["remarks"][0]
    agreement = mmerc("agree", tmp_path / "s/sample.csv", "--model", study)
    assert "least sure of" in agreement.err


def test_stratified_sample_of_one_analysis(mmerc, study, tmp_path):
    path = study / "recordings/talk-1/talk-1.jsonl"
    drawn = mmerc("sample", path, "--utterances", 14, "--strategy", "stratified", "--out",
                  tmp_path / "s", "--json")  # fmt: skip
    assert drawn.code == 0, drawn.err
    assert [Path(name).name for name in drawn.json["files"]] == ["sample.csv", "talk-1.eaf"]
    labels = {item["id"]: item["label"] for item in map(json.loads, path.open())}
    counts = dict.fromkeys(labels.values(), 0)
    for row in read_table(tmp_path / "s/sample.csv"):
        counts[labels[row["id"]]] += 1
    names = list(labels.values())
    assert all(counts[name] >= min(2, names.count(name)) for name in counts)
    assert sum(counts.values()) == 14
    rows = fill_table(tmp_path / "s/sample.csv")
    assert {row["strategy"] for row in rows} == {"stratified"}
    for row in rows:
        expected = names.count(labels[row["id"]]) / counts[labels[row["id"]]]
        assert float(row["weight"]) == pytest.approx(expected, abs=1e-5)
    assert sum(float(row["weight"]) for row in rows) == pytest.approx(25, abs=1e-3)
    shares = mmerc("shares", path, "--labels", tmp_path / "s/sample.csv")
    assert shares.code == 0, shares.err
    agreement = mmerc("agree", tmp_path / "s/sample.csv", "--model", path, "--format", "json")
    right = [float(row["weight"]) * (row["label"] == labels[row["id"]]) for row in rows]
    assert agreement.json["model"][0]["percent"]["value"] == pytest.approx(100 * sum(right) / 25)
    assert agreement.json["model"][0]["utterances"] == 14
    assert "weighted by how many it represents" in agreement.err
    fill_eaf(tmp_path / "s/elan/talk-1.eaf")
    agreement = mmerc("agree", tmp_path / "s/elan", "--model", path)
    assert "rare predicted emotions count too much" in agreement.err
    table = (tmp_path / "s/sample.csv").read_text()
    (tmp_path / "bad.csv").write_text(table.replace(f",{rows[0]['weight']}", ",-1"))
    bad = mmerc("agree", tmp_path / "bad.csv", "--model", path)
    assert "'-1' is not the weight of an utterance; restore it" in bad.sentence


def test_predictions_without_times_give_only_a_table(mmerc, tmp_path):
    (tmp_path / "p.csv").write_text("conversation,id,label\n" + "".join(
        f"c,{i},{'joy' if i % 2 else 'calm'}\n" for i in range(9)))  # fmt: skip
    drawn = mmerc("sample", tmp_path / "p.csv", "--utterances", 9, "--out", tmp_path / "s")
    assert drawn.code == 0, drawn.err
    assert "9 utterances are not in ELAN files" in drawn.err
    assert sorted(p.name for p in (tmp_path / "s").iterdir()) == ["sample.csv", "sample.json"]


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (("--utterances", 101), "has 100 utterances, not 101; draw 100 or fewer"),
        (("--strategy", "best"), "'best' is not one of"),
        (("--by", "mood"), "--by 'mood' is not a column"),
        (("--by", "condition", "--strategy", "uncertain"), "--by is for random and stratified"),
    ],
)
def test_invalid_calls_are_refused(mmerc, study, tmp_path, options, problem):
    outcome = mmerc("sample", study, "--out", tmp_path / "s", *options)
    assert outcome.code in {1, 2}
    assert problem in outcome.sentence
    assert not (tmp_path / "s").exists()


def test_missing_predictions_are_refused(mmerc, tmp_path):
    (tmp_path / "p.csv").write_text("conversation,id,text\nc,1,Yes.\n")
    for options, problem in (((), "has no column 'label' with predictions"),):
        outcome = mmerc("sample", tmp_path / "p.csv", "--out", tmp_path / "s", *options)
        assert problem in outcome.sentence
    (tmp_path / "p.csv").write_text("conversation,id,label\nc,1,joy\n")
    outcome = mmerc("sample", tmp_path / "p.csv", "--out", tmp_path / "s", "--utterances", 1,
                    "--strategy", "uncertain")  # fmt: skip
    assert "has no probabilities" in outcome.sentence


def test_every_utterance_is_equally_likely():
    from mmerc.evaluation.label_sampling import draw_sample

    groups = np.array([0] * 3 + [1] * 17)
    for by in (None, groups):
        drawn = np.zeros(20)
        for seed in range(4000):
            drawn[draw_sample("random", 7, predicted=groups, groups=by, seed=seed)] += 1
        assert np.abs(drawn / 4000 - 0.35).max() < 0.03
