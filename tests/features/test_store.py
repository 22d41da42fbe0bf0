import errno

import numpy as np
import pyarrow.parquet as pq
import pytest

from mmerc.errors import InputError
from mmerc.features.store import FeatureRow, FeatureSpec, FeatureStore, FeatureTable

SPEC = FeatureSpec(modality="audio", extractor="loudness", dim=2, settings={"rate": 16000})


def row(utterance, vector, **more):
    vector = None if vector is None else np.float32(vector)
    return FeatureRow(conversation="c", utterance=utterance, vector=vector, **more)


ROWS = [
    row("1", [1, 2]),
    row("2", None, absent_because="silence"),
    row("3", [3, 4], saw_label=True),
]


def test_parts_come_back_as_one_table(tmp_path):
    store = FeatureStore.create(tmp_path, SPEC)
    store.append(ROWS[:2])
    FeatureStore.create(tmp_path, SPEC).append(ROWS[2:])
    table = FeatureStore.open(tmp_path / SPEC.folder).read()
    assert table.spec == SPEC
    assert table.vector("c", "1").tolist() == [1, 2]
    assert table.vector("c", "2") is None
    assert table.vector("c", "nobody") is None
    assert table.rows["c", "2"].absent_because == "silence"
    assert table.rows["c", "3"].saw_label
    assert table.content_fingerprint == FeatureTable.of(SPEC, ROWS[::-1]).content_fingerprint


def test_a_part_without_any_vector(tmp_path):
    store = FeatureStore.create(tmp_path, SPEC)
    store.append([row("1", None), row("2", None)])
    store.append([])
    assert [item.vector for item in store.read().rows.values()] == [None, None]


def test_fingerprints_follow_settings_and_content():
    other = FeatureSpec(modality="audio", extractor="loudness", dim=2, settings={"rate": 8000})
    assert other.folder != SPEC.folder
    tables = [
        FeatureTable.of(spec, rows)
        for spec, rows in [(SPEC, ROWS), (other, ROWS), (SPEC, ROWS[:2]), (SPEC, ROWS[1:])]
    ]
    assert len({table.content_fingerprint for table in tables}) == 4


@pytest.mark.parametrize(
    ("vector", "message"),
    [
        ([1, 2, 3], r"'c', '9': expected 2 numbers, got \(3,\)"),
        ([0, np.nan], "'9': number 1 is nan"),
        ([np.inf, 0], "'9': number 0 is inf"),
    ],
)
def test_a_bad_vector_never_enters(tmp_path, vector, message):
    store = FeatureStore.create(tmp_path, SPEC)
    with pytest.raises(InputError, match=message):
        store.append([row("9", vector)])
    with pytest.raises(InputError, match=message):
        FeatureTable.of(SPEC, [row("9", vector)])
    assert store.parts() == []


def test_a_cut_part_is_told(tmp_path):
    store = FeatureStore.create(tmp_path, SPEC)
    store.append(ROWS)
    part = store.parts()[0]
    part.write_bytes(part.read_bytes()[:100])
    with pytest.raises(InputError, match=r"part-00000\.parquet: not a complete part"):
        store.read()


@pytest.mark.parametrize("content", ["[]", '{"modality": "smell"}', '{"modality": "text"}', "{"])
def test_a_bad_description_is_told(tmp_path, content):
    (tmp_path / "store.json").write_text(content)
    with pytest.raises(InputError, match=r"store\.json: not "):
        FeatureStore.open(tmp_path)


def test_a_full_disk_leaves_the_earlier_parts_alone(tmp_path, monkeypatch):
    store = FeatureStore.create(tmp_path, SPEC)
    store.append(ROWS[:1])

    def full(table, path):
        path.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(pq, "write_table", full)
    with pytest.raises(InputError, match=r"part-00001\.parquet: cannot be written \(no space"):
        store.append(ROWS[1:])
    names = sorted(path.name for path in store.directory.iterdir())
    assert names == ["part-00000.parquet", "store.json"]
    assert list(store.read().rows) == [("c", "1")]
