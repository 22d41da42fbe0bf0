"""``mmerc select-features``: chosen on training utterances, applied to all, and stored."""

import json

import numpy as np
import pytest
from folders import assert_files

from mmerc.data.corpus import PreparedCorpus


@pytest.fixture(scope="module")
def selected(done, trimodal_corpus, tmp_path_factory):
    out = tmp_path_factory.mktemp("selected") / "corpus"
    call = ("--corpus", trimodal_corpus, "--count", "2", "--out", out)
    return done("select-features", *call, "--json").json, out


def test_new_corpus_has_the_chosen_columns(selected, trimodal_corpus):
    message, out = selected
    before, after = PreparedCorpus.load(trimodal_corpus), PreparedCorpus.load(out)
    selection = json.loads((out / "audio-selection.json").read_text())
    assert message["width"] == after.features["audio"].spec.dim == len(selection["indices"]) == 2
    assert (
        after.features["video"].content_fingerprint == before.features["video"].content_fingerprint
    )
    rows = after.features["audio"].rows
    for key, row in before.features["audio"].rows.items():
        if row.vector is None:
            assert rows[key].vector is None
        else:
            assert np.array_equal(rows[key].vector, row.vector[selection["indices"]])


def test_only_training_utterances_are_used(selected):
    message, out = selected
    corpus = PreparedCorpus.load(out)
    saw = {key for key, row in corpus.features["audio"].rows.items() if row.saw_label}
    assert saw
    assert len(saw) == message["fitted_on"]
    assert {conversation for conversation, _ in saw} <= {c.id for c in corpus.splits["train"]}


def test_earlier_selection_can_be_reused(done, mmerc, selected, trimodal_corpus, tmp_path):
    selection = selected[1] / "audio-selection.json"
    call = ("--corpus", trimodal_corpus, "--selection", selection)
    message = done("select-features", *call, "--out", tmp_path / "again")
    assert "2 of 5 features" in message.out
    same = PreparedCorpus.load(tmp_path / "again").fingerprints
    assert same == PreparedCorpus.load(selected[1]).fingerprints
    other = mmerc("select-features", *call, "--modality", "video", "--out", tmp_path / "other")
    assert other.code == 1
    assert "selection was made from" in other.sentence
    assert_files(tmp_path, ["again"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--count", "6"), "cannot choose 6 of 5 numbers; ask for 1 to 5"),
        (("--selection", "nowhere.json"), "nowhere.json"),
    ],
)
def test_impossible_selection_is_refused(mmerc, trimodal_corpus, tmp_path, options, message):
    out = tmp_path / "corpus"
    outcome = mmerc("select-features", "--corpus", trimodal_corpus, "--out", out, *options)
    assert outcome.code == 1
    assert message in outcome.sentence
    assert_files(tmp_path, [])


def test_corpus_without_the_vectors_is_refused(mmerc, example_corpus, tmp_path):
    call = ("--corpus", example_corpus, "--out", tmp_path / "corpus")
    outcome = mmerc("select-features", *call)
    assert outcome.code == 2
    assert "has no audio vectors; extract them first" in outcome.sentence
