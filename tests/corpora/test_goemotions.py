import pytest

from mmerc.corpora.goemotions import GoEmotionsReader
from mmerc.errors import InputError

NAMES = "anger\ndisgust\nfear\njoy\nneutral\nsadness\nsurprise"
ROWS = 'Is it "open"?\t4\ta1\nBoth at once\t3,4\ta2\nWonderful, really\t3\ta3\n'


def write_goemotions(folder, train=ROWS, names=NAMES):
    for name, rows in (("train", train), ("dev", ROWS), ("test", ROWS)):
        (folder / f"{name}.tsv").write_text(rows, encoding="utf-8")
    (folder / "labels.txt").write_text(names, encoding="utf-8")
    return folder


def test_every_comment_is_a_conversation(tmp_path, round_trip):
    raw = GoEmotionsReader().read(write_goemotions(tmp_path))
    loaded = round_trip(raw)
    assert [
        (item.id, item.utterances[0].text, item.utterances[0].label)
        for item in loaded.splits["train"]
    ] == [
        ("train-a1", 'Is it "open"?', "neutral"),
        ("train-a2", "Both at once", None),
        ("train-a3", "Wonderful, really", "joy"),
    ]
    assert loaded.splits["train"][1].utterances[0].soft_labels == {"joy": 0.5, "neutral": 0.5}
    assert [item.id for item in loaded.splits["test"]] == ["test-a1", "test-a3"]
    assert raw.remarks == (
        "1 training comments with more than one emotion have soft labels.",
        "2 comments of validation and test with more than one emotion are left out.",
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"train": "no tabs\n"}, r"train\.tsv, line 1.*1 columns instead of 3"),
        ({"train": "text\t7\ta1\n"}, r"train\.tsv, line 1.*unknown label number '7'"),
        ({"train": "text\tjoy\ta1\n"}, "unknown label number 'joy'"),
        ({"names": NAMES + "\nlove"}, r"labels\.txt.*unknown emotion 'love'"),
    ],
)
def test_damaged_file_is_refused(tmp_path, change, message):
    with pytest.raises(InputError, match=message):
        GoEmotionsReader().read(write_goemotions(tmp_path, **change))


def test_real_files_are_read(shared_data):
    raw = GoEmotionsReader().read(shared_data / "goemotions")
    assert {split: len(items) for split, items in raw.splits.items()} == {
        "train": 43_410,
        "valid": 4_946,
        "test": 4_968,
    }
