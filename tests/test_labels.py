import pytest

from mmerc.errors import InputError, UsageError
from mmerc.labels import LABEL_SETS, MELD_7, UNKNOWN_LABEL, LabelSet, _label_set, infer_label_set


def test_label_order_is_kept():
    assert list(MELD_7)[:2] == ["neutral", "surprise"]
    assert [MELD_7.index(name) for name in MELD_7] == list(range(7))
    assert MELD_7.index(None) == UNKNOWN_LABEL
    assert infer_label_set(["b", None, "a", "b"]).names == ("a", "b")


@pytest.mark.parametrize("labels", LABEL_SETS.values(), ids=LABEL_SETS)
def test_json_round_trip(labels):
    assert LabelSet.from_json(labels.to_json()) == labels
    assert len(labels.colours) == len(labels) == len(set(labels.colours))
    assert _label_set(labels.name) is labels


def test_large_label_sets_have_a_colour_for_every_label():
    labels = LabelSet.from_json([str(number) for number in range(30)])
    assert (labels.name, len(labels.colours)) == ("custom", 30)


@pytest.mark.parametrize("names", [(), ("a",), ("a", "a"), ("a", "")])
def test_invalid_label_names_are_refused(names):
    with pytest.raises(InputError, match="two or more different names"):
        LabelSet("own", names)


@pytest.mark.parametrize("second", ["Joy", "joy ", "JOY", "jo\u200by"])
def test_labels_that_differ_only_in_case_or_spaces_are_refused(second):
    with pytest.raises(InputError, match="differ only in case or spaces; write the label in one"):
        infer_label_set(["joy", second, "anger"])


def test_label_of_spaces_alone_is_refused():
    with pytest.raises(InputError, match="the label ' ' has no letters"):
        infer_label_set(["joy", " "])


@pytest.mark.parametrize("value", ["a", {}, {"names": "ab"}, None])
def test_invalid_label_json_is_refused(value):
    with pytest.raises(InputError, match="neither a list of names nor a label set"):
        LabelSet.from_json(value)


def test_unknown_labels_are_refused():
    with pytest.raises(InputError, match="unknown label 'bored'; use one of neutral"):
        MELD_7.index("bored")
    with pytest.raises(UsageError, match="No label set is called 'mine'"):
        _label_set("mine")
