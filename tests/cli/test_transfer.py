"""``mmerc transfer`` on small corpora with the model's own labels and with others."""

import csv
import json
import re

import pytest

from mmerc.data.corpus import PreparedCorpus
from mmerc.training.card_tables import set_section
from mmerc.training.packaging import renew_card

OTHER = {"calm": "neutral", "glad": "happy", "cross": "angry"}
MAP = "labels: {glad: joy, cross: anger}\ncorpora: {other: {bored: null}}\n"
FORMER_SECTION = """## On other corpora

Percent, with 95 % bootstrap intervals. Chance is the unweighted recall of guessing.

| corpus | split | utterances | labels | modalities | unweighted recall | chance | weighted F1 |
| --- | --- | --- | --- | --- | --- | --- | --- |
| mosi | test | 752 | 2 | text | 78.2 (73.8 to 81.8) | 50.0 | 77.9 (73.5 to 82.1) |
"""
SUBSETS = [
    "text+audio+video", "text+audio", "text+video", "audio+video", "text", "audio", "video",
]  # fmt: skip


@pytest.fixture(scope="module")
def other_corpus(done, conversations, write_manifest, tmp_path_factory):
    """The test conversations with other labels and without faces; the last utterance is bored."""
    records = json.loads(json.dumps([c for c in conversations if c["split"] == "test"]))
    for record in records:
        for utterance in record["utterances"]:
            utterance["label"] = OTHER[utterance["label"]]
            utterance["features"].pop("video", None)
    records[-1]["utterances"][-1]["label"] = "bored"
    folder = tmp_path_factory.mktemp("corpora")
    manifest = write_manifest(folder / "other.jsonl", records)
    done("prepare", "manifest", manifest, "--out", folder / "other")
    return folder / "other"


@pytest.fixture
def label_map(tmp_path):
    (tmp_path / "map.yaml").write_text(MAP)
    return tmp_path / "map.yaml"


def test_every_modality_subset_on_every_corpus(
    done, trimodal_run, trimodal_corpus, other_corpus, label_map, tmp_path
):
    outcome = done(
        "transfer", trimodal_run, "--corpus", trimodal_corpus, "--corpus", other_corpus,
        "--labels", label_map, "--out", tmp_path / "out", "--json",
    )  # fmt: skip
    corpora = outcome.json["corpora"]
    rows = {name: [row["modalities"] for row in c["scores"]] for name, c in corpora.items()}
    assert rows["trimodal"] == SUBSETS
    assert rows["other"] == ["text+audio", "text", "audio"]
    assert corpora["other"]["model_labels"] == {"calm": "neutral", "glad": "joy", "cross": "anger"}
    remarks = " ".join(corpora["other"]["remarks"])
    assert "1 utterances labelled 'bored' are left out" in remarks
    assert "has no video vectors" in remarks
    assert "remark: other: 1 utterances" in outcome.err
    written = json.loads((tmp_path / "out/transfer.json").read_text())
    assert written == outcome.json
    with open(tmp_path / "out/transfer.csv", newline="") as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == 10
    assert "prior known" in (tmp_path / "out/transfer.md").read_text()


def test_scores_equal_evaluate(done, trimodal_run, trimodal_corpus, tmp_path):
    """Same labels: weighted F1 with all modalities equals `mmerc evaluate`."""
    arguments = ("--corpus", trimodal_corpus, "--out", tmp_path / "out", "--json")
    (corpus,) = done("transfer", trimodal_run, *arguments).json["corpora"].values()
    whole = corpus["scores"][0]
    known = json.loads((trimodal_run / "result.json").read_text())["seeds"][0]["test"]
    assert whole["weighted_f1"] == pytest.approx(known["weighted_f1"], abs=1e-3)
    assert whole["utterances"] == known["utterances"]
    assert whole["weighted_f1_low"] <= whole["weighted_f1"] <= whole["weighted_f1_high"]
    recalls = [label["recall"] for label in corpus["labels"] if label["recall"] is not None]
    assert whole["unweighted_recall"] == pytest.approx(sum(recalls) / len(recalls), abs=1e-3)
    for key in ("gold", "predicted"):
        assert sum(label[key] for label in corpus["labels"]) == pytest.approx(100)


def test_table_is_printed(done, trimodal_run, trimodal_corpus, tmp_path):
    out = done("transfer", trimodal_run, "--corpus", trimodal_corpus, "--out", tmp_path / "out").out
    rows = [re.split(r"  +", line) for line in out.splitlines() if line.startswith("trimodal ")]
    assert [row[1] for row in rows] == [subset.replace("+", " + ") for subset in SUBSETS]
    assert f"tables in {tmp_path / 'out/transfer.md'}" in out


def test_invalid_calls_give_one_sentence_errors(
    mmerc, trimodal_run, trimodal_corpus, other_corpus, label_map, tmp_path
):
    out = ("--out", tmp_path / "out")
    unmapped = mmerc("transfer", trimodal_run, "--corpus", other_corpus, *out)
    assert "corpus 'other': the model has no label for" in unmapped.sentence
    twice = mmerc("transfer", trimodal_run, *(("--corpus", other_corpus) * 2), *out)
    assert "have the same name" in twice.sentence
    named = ("--corpus", trimodal_corpus, "--labels", label_map)
    assert "no --corpus is called 'other'" in mmerc("transfer", trimodal_run, *named, *out).sentence
    missing = mmerc("transfer", trimodal_run, "--corpus", other_corpus, "--labels", tmp_path / "no")
    assert "no such file" in missing.sentence
    valid = ("--labels", label_map, "--split", "valid")
    split = mmerc("transfer", trimodal_run, "--corpus", other_corpus, *valid, *out)
    assert "no valid split" in split.sentence
    assert not (tmp_path / "out").exists()


def _rows(card, corpus):
    """The lines of a model card's table with scores on a corpus."""
    return [line for line in card.splitlines() if line.startswith(f"| {corpus} |")]


def test_scores_are_added_to_the_model_card(
    done, mmerc, trimodal_run, trimodal_corpus, other_corpus, label_map, tmp_path
):
    folder = tmp_path / "packaged"
    packaging = ("package", trimodal_run, "--corpus", trimodal_corpus, "--out", folder)
    progress = done(*packaging).err.splitlines()
    assert progress[0] == "calibrating on the validation split"
    assert "scoring undisturbed recordings of the valid split" in progress
    assert any(line.startswith("shift: a frozen face, gap") for line in progress)
    assert progress[-1] == "scoring the test split: faces"
    assert done(*packaging, "--quiet").err == ""
    before = (folder / "README.md").read_text()
    assert "## When it may abstain" in before
    call = ("transfer", folder, "--labels", label_map, "--out", tmp_path / "out", "--card")
    done(*call, "--corpus", other_corpus, "--corpus", trimodal_corpus)
    first = (folder / "README.md").read_text()
    done(*call, "--corpus", other_corpus)
    card = (folder / "README.md").read_text()
    assert card.count("## On other corpora") == 1
    assert sorted(card.splitlines()) == sorted(first.splitlines())
    assert len(_rows(card, "trimodal")) == len(SUBSETS)
    (row,) = (line for line in _rows(card, "other") if "| text |" in line)
    scores = json.loads((tmp_path / "out/transfer.json").read_text())["corpora"]["other"]
    text = next(s for s in scores["scores"] if s["modalities"] == "text")
    cells = row.removeprefix("| ").removesuffix(" |").split(" | ")
    assert cells[5].startswith(f"{text['unweighted_recall']:.1f} (")
    assert cells[6] == f"{text['unweighted_recall_prior_known']:.1f}"
    assert cells[9] == f"{text['weighted_f1_prior_known']:.1f}"
    assert card.count("Prior known: the same predictions") == 1
    section = card.partition("## On other corpora")
    rest = section[2].partition("## What it was not tested on")
    assert section[0] + rest[1] + rest[2] == before
    assert "- other, test split: corpus 'other' has no video vectors" in card
    renew_card(folder, PreparedCorpus.load(trimodal_corpus))
    assert (folder / "README.md").read_text() == card
    own = ("--corpus", trimodal_corpus, "--split", "train", "--out", tmp_path / "out", "--card")
    done("transfer", folder, *own)
    seen = (folder / "README.md").read_text()
    assert "- trimodal, train split: the model was trained on" in seen
    assert len(_rows(seen, "trimodal")) == 2 * len(SUBSETS)
    assert _rows(seen, "other") == _rows(card, "other")
    refused = mmerc("transfer", trimodal_run, "--corpus", other_corpus, "--card")
    assert refused.code == 1
    assert "no model folder with a card" in refused.sentence


def test_later_call_replaces_only_its_corpus(
    done, mmerc, trimodal_run, trimodal_corpus, other_corpus, label_map, tmp_path
):
    folder = tmp_path / "packaged"
    done("package", trimodal_run, "--corpus", trimodal_corpus, "--out", folder)
    card = folder / "README.md"
    call = ("transfer", folder, "--out", tmp_path / "out", "--card")
    done(*call, "--corpus", other_corpus, "--labels", label_map)
    remark = "URDU was used to choose a setting.\n"
    card.write_text(card.read_text().replace("of guessing.\n", f"of guessing. {remark}"))
    first = card.read_text()
    done(*call, "--corpus", trimodal_corpus)
    both = card.read_text()
    assert _rows(both, "other") == _rows(first, "other") != []
    assert len(_rows(both, "trimodal")) == len(SUBSETS)
    assert remark in both and "- other, test split: " in both
    stale = both.replace("| trimodal | test | ", "| trimodal | test | 9")
    assert stale != both
    card.write_text(stale)
    done(*call, "--corpus", trimodal_corpus)
    assert card.read_text() == both
    card.write_text(both.replace("| corpus | split |", "| corpus | part |"))
    refused = mmerc(*call, "--corpus", trimodal_corpus)
    assert refused.code == 1 and "other columns" in refused.sentence


def test_card_without_prior_known_is_still_read(
    done, trimodal_run, trimodal_corpus, other_corpus, label_map, tmp_path
):
    """Cards of older models lack the columns: their rows stay and say "not measured"."""
    folder = tmp_path / "packaged"
    done("package", trimodal_run, "--corpus", trimodal_corpus, "--out", folder)
    card = folder / "README.md"
    card.write_text(set_section(card.read_text(), FORMER_SECTION))
    call = ("transfer", folder, "--out", tmp_path / "out", "--card")
    for _ in range(2):
        done(*call, "--corpus", other_corpus, "--labels", label_map)
    assert _rows(card.read_text(), "mosi") == [
        "| mosi | test | 752 | 2 | text | 78.2 (73.8 to 81.8) | not measured | 50.0 "
        "| 77.9 (73.5 to 82.1) | not measured |"
    ]
    assert len(_rows(card.read_text(), "other")) == 3
    assert card.read_text().count("Prior known: ") == 1
