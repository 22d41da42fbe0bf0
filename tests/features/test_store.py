import errno

import numpy as np
import pyarrow.parquet as pq
import pytest

from mmerc.errors import InputError
from mmerc.features.store import FeatureRow, FeatureSpec, FeatureStore, FeatureTable, stack_vectors

SPEC = FeatureSpec(modality="audio", extractor="loudness", dim=2, settings={"rate": 16000})


def row(utterance, vector, **more):
    vector = None if vector is None else np.float32(vector)
    return FeatureRow(conversation="c", utterance=utterance, vector=vector, **more)


ROWS = [
    row("1", [1, 2]),
    row("2", None, absent_because="silence"),
    row("3", [3, 4], saw_label=True),
]


def test_parts_are_read_as_one_table(tmp_path):
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


def test_part_without_vectors(tmp_path):
    store = FeatureStore.create(tmp_path, SPEC)
    store.append([row("1", None), row("2", None)])
    store.append([])
    assert [item.vector for item in store.read().rows.values()] == [None, None]


def test_fingerprints_depend_on_settings_and_content():
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
def test_bad_vectors_are_refused(tmp_path, vector, message):
    store = FeatureStore.create(tmp_path, SPEC)
    with pytest.raises(InputError, match=message):
        store.append([row("9", vector)])
    with pytest.raises(InputError, match=message):
        FeatureTable.of(SPEC, [row("9", vector)])
    assert store.parts() == []


def test_truncated_part_is_refused(tmp_path):
    store = FeatureStore.create(tmp_path, SPEC)
    store.append(ROWS)
    part = store.parts()[0]
    part.write_bytes(part.read_bytes()[:100])
    with pytest.raises(InputError, match=r"part-00000\.parquet: not a complete part"):
        store.read()


@pytest.mark.parametrize("content", ["[]", '{"modality": "smell"}', '{"modality": "text"}', "{"])
def test_bad_description_is_refused(tmp_path, content):
    (tmp_path / "store.json").write_text(content)
    with pytest.raises(InputError, match=r"store\.json: not "):
        FeatureStore.open(tmp_path)


def test_full_disk_keeps_earlier_parts(tmp_path, monkeypatch):
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


def slow_stack(vectors, width):
    return np.array([np.zeros(width) if vector is None else vector for vector in vectors])


@pytest.mark.parametrize(
    ("order", "shared"),
    [((0, 1, 2), True), ((1, 2), True), ((2,), True), ((1, 0), False), ((0, 2), False)],
)
def test_successive_vectors_of_a_store_are_not_copied(tmp_path, order, shared):
    store = FeatureStore.create(tmp_path, SPEC)
    store.append([row(str(number), np.full(2, number)) for number in range(3)])
    table = store.read()
    vectors = [table.vector("c", str(number)) for number in order]
    stacked = stack_vectors(vectors, 2)
    assert np.array_equal(stacked, slow_stack(vectors, 2))
    assert np.shares_memory(stacked, vectors[0]) == shared


def test_absent_or_scattered_vectors_are_copied(tmp_path):
    store = FeatureStore.create(tmp_path, SPEC)
    store.append([row("0", np.ones(2)), row("1", None)])
    store.append([row("2", np.full(2, 2))])
    table = store.read()
    for ids in ("01", "02", "1"):
        vectors = [table.vector("c", number) for number in ids]
        assert np.array_equal(stack_vectors(vectors, 2), slow_stack(vectors, 2))
    assert stack_vectors([], 2).shape == (0, 2)


def test_read_only_vectors_are_copied():
    matrix = np.arange(6, dtype=np.float32).reshape(2, 3)
    matrix.flags.writeable = False
    stacked = stack_vectors(list(matrix), 3)
    assert stacked.flags.writeable and np.array_equal(stacked, matrix)
