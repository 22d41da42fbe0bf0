import errno
import json
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest

from mmerc.conversation import Conversation, Utterance
from mmerc.data.corpus import PreparedCorpus
from mmerc.errors import InputError
from mmerc.features.store import FeatureRow, FeatureSpec, FeatureTable
from mmerc.labels import MOSI_2


def corpus():
    spoken = (
        Utterance(id="1", speaker="a", text="שלום 🙂", label="positive", start=1, end=2.5),
        Utterance(id="2", speaker="b", text="", media="clip.wav"),
    )
    spec = FeatureSpec(modality="video", extractor="own", dim=2)
    rows = [
        FeatureRow(conversation="c", utterance="1", vector=np.float32([1, 2])),
        FeatureRow(conversation="c", utterance="2", vector=None, absent_because="no face"),
    ]
    return PreparedCorpus(
        name="own",
        labels=MOSI_2,
        splits={
            "test": (Conversation(id="t", utterances=spoken[:1], media="film.mp4"),),
            "train": (Conversation(id="c", utterances=spoken),),
        },
        features={"video": FeatureTable.of(spec, rows)},
    )


def test_save_and_load(tmp_path):
    saved = corpus()
    saved.save(tmp_path / "out")
    loaded = PreparedCorpus.load(tmp_path / "out")
    assert (loaded.name, loaded.labels, loaded.splits) == (saved.name, saved.labels, saved.splits)
    assert loaded.fingerprints == saved.fingerprints
    assert loaded.features["video"].vector("c", "1").tolist() == [1, 2]
    assert loaded.features["video"].vector("c", "2") is None
    assert loaded.counts()["train"] == {
        "conversations": 1,
        "utterances": 2,
        "labels": {"negative": 0, "positive": 1},
    }


def test_labels_come_from_the_corpus(tmp_path):
    """Also in a folder of an earlier version, which does not record it."""
    assert corpus().label_source == "own"
    for name, labels_of, expected in (
        ("own", "meld", "meld"), ("own", None, "own"), ("composed", None, "meld"),
    ):  # fmt: skip
        saved = replace(corpus(), name=name, labels_of=labels_of)
        saved.save(tmp_path / "out", overwrite=True)
        description = json.loads((tmp_path / "out" / "corpus.json").read_text())
        if labels_of is None:
            del description["labels_of"]
            (tmp_path / "out" / "corpus.json").write_text(json.dumps(description))
        assert PreparedCorpus.load(tmp_path / "out").label_source == expected


def change_text(folder):
    path = folder / "utterances.parquet"
    rows = pq.read_table(path).to_pylist()
    rows[0]["text"] += "!"
    schema = pq.read_schema(path)
    pq.write_table(type(pq.read_table(path)).from_pylist(rows, schema), path)


def change_labels(folder):
    value = json.loads((folder / "corpus.json").read_text())
    value["labels"]["names"].reverse()
    (folder / "corpus.json").write_text(json.dumps(value))


def drop_vectors(folder):
    next((folder / "features").glob("*/part-*.parquet")).unlink()


def cut_utterances(folder):
    path = folder / "utterances.parquet"
    path.write_bytes(path.read_bytes()[:-20])


def other_format(folder):
    (folder / "corpus.json").write_text('{"format": 99}')


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (change_text, "no longer match the fingerprints"),
        (change_labels, "no longer match the fingerprints"),
        (drop_vectors, "no longer match the fingerprints"),
        (cut_utterances, r"utterances\.parquet: missing or truncated"),
        (other_format, "not a prepared corpus of this version"),
    ],
)
def test_changed_folder_is_refused(tmp_path, change, message):
    corpus().save(tmp_path / "out")
    change(tmp_path / "out")
    with pytest.raises(InputError, match=message):
        PreparedCorpus.load(tmp_path / "out")


def test_other_folders_are_refused(tmp_path):
    with pytest.raises(InputError, match="not a prepared corpus; make one with `mmerc prepare`"):
        PreparedCorpus.load(tmp_path)


def test_full_disk_leaves_no_files(tmp_path, monkeypatch):
    def full(table, path):
        path.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(pq, "write_table", full)
    with pytest.raises(InputError, match=r"out: cannot be written \(no space left on device\)"):
        corpus().save(tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_full_disk_keeps_the_folder_to_be_overwritten(tmp_path, monkeypatch):
    saved = corpus()
    saved.save(tmp_path / "out")

    def full(table, path):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(pq, "write_table", full)
        with pytest.raises(InputError, match="no space"):
            corpus().save(tmp_path / "out", overwrite=True)
    assert PreparedCorpus.load(tmp_path / "out").fingerprints == saved.fingerprints
