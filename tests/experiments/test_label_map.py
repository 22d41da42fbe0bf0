"""Common names of labels: built-in ones, and a user's own."""

import pytest

from mmerc.errors import InputError
from mmerc.experiments.transfer.label_map import (
    LabelMap,
    align_with_corpus,
    check_label_map,
    read_label_map,
)
from mmerc.labels import IEMOCAP_4, IEMOCAP_6, MELD_7, MOSI_2, LabelSet

URDU = LabelSet("urdu", ("Angry", "Happy", "Neutral", "Sad"))


def aligned(model, corpus, **fields):
    return align_with_corpus(model, corpus, "x", LabelMap(**fields))


def test_known_synonyms_are_mapped():
    assert aligned(MELD_7, URDU).common.names == ("neutral", "sadness", "joy", "anger")
    alignment = aligned(IEMOCAP_6, MELD_7, labels={"fear": None, "disgust": None, "surprise": None})
    assert alignment.common.names == ("joy", "sadness", "neutral", "anger")
    assert alignment.model["frustrated"] is None
    assert alignment.model["excited"] == "joy"


def test_equal_sets_are_unchanged():
    alignment = aligned(IEMOCAP_6, IEMOCAP_6)
    assert alignment.common.names == IEMOCAP_6.names
    shuffled = LabelSet("other order", IEMOCAP_4.names[::-1])
    assert aligned(IEMOCAP_4, shuffled).common.names == IEMOCAP_4.names


def test_emotions_are_scored_as_polarity():
    alignment = aligned(MELD_7, MOSI_2)
    assert set(alignment.common) == {"negative", "positive"}
    assert alignment.model["neutral"] is None
    assert alignment.model["disgust"] == "negative"
    other = aligned(MOSI_2, URDU)
    assert other.corpus == {
        "Angry": "negative", "Happy": "positive", "Neutral": None, "Sad": "negative",
    }  # fmt: skip


def test_custom_names_take_precedence():
    own = LabelSet("own", ("cross", "glad", "flat"))
    with pytest.raises(InputError, match="no label for 'cross'"):
        aligned(MELD_7, own)
    labels = {"cross": "anger", "glad": "joy", "flat": "sadness"}
    alignment = aligned(MELD_7, own, labels=labels, corpora={"x": {"flat": "neutral"}})
    assert alignment.common.names == ("neutral", "joy", "anger")


def write(tmp_path, text):
    path = tmp_path / "map.yaml"
    path.write_text(text)
    return path


def test_label_map_file_is_read(tmp_path):
    text = "labels:\n  cross: anger\n  flat: null\ncorpora:\n  urdu: {Sad: sadness}\n"
    label_map = read_label_map(write(tmp_path, text))
    assert label_map.labels == {"cross": "anger", "flat": None}
    assert label_map.corpora == {"urdu": {"Sad": "sadness"}}
    assert read_label_map(write(tmp_path, "")) == LabelMap()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("labels: [a, b]", "labels: input should be a valid dictionary"),
        ("label: {a: b}", "label: extra inputs are not permitted"),
        ("labels: {a: [b]}", "labels.a: input should be a valid string"),
        ("labels: {a: b", "not valid YAML"),
        ("labels:\n  a: b\n  a: c", "the key 'a' of line 2 occurs twice"),
        ("- a", "input should be a valid dictionary"),
    ],
)
def test_other_files_are_refused(tmp_path, text, words):
    with pytest.raises(InputError, match=words) as caught:
        read_label_map(write(tmp_path, text))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"labels": {"angry": "anger"}}, "neither the model nor a corpus has a label 'angry'"),
        ({"corpora": {"hindi": {}}}, "no --corpus is called 'hindi'"),
        ({"corpora": {"urdu": {"joy": "joy"}}}, "corpus 'urdu' has no label 'joy'"),
    ],
)
def test_nonexistent_labels_are_refused(tmp_path, fields, words):
    with pytest.raises(InputError, match=words):
        check_label_map(LabelMap(**fields), MELD_7, {"urdu": URDU}, where=tmp_path / "map.yaml")
