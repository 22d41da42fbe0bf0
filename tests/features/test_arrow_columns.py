"""Columns built from buffers equal pyarrow's own, and need no pandas."""

import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmerc.features.arrow_columns import bool_column, read_vectors, string_column, vector_column


@given(st.lists(st.none() | st.text()))
def test_strings(values):
    assert string_column(values).equals(pa.array(values, pa.string()))


@given(st.lists(st.booleans()))
def test_booleans(values):
    assert bool_column(values).equals(pa.array(values, pa.bool_()))


@given(st.lists(st.none() | st.lists(st.floats(width=32), min_size=3, max_size=3)), st.data())
def test_vectors_there_and_back(rows, data):
    vectors = [None if row is None else np.array(row, np.float32) for row in rows]
    column = vector_column(vectors, 3)
    column.validate(full=True)
    first = data.draw(st.integers(0, len(rows)))
    count = data.draw(st.integers(0, len(rows) - first))
    read = read_vectors(column.slice(first, count), 3)
    expected = vectors[first : first + count]
    assert [row is None for row in read] == [vector is None for vector in expected]
    for row, vector in zip(read, expected, strict=True):
        assert row is None or row.tobytes() == vector.tobytes()


@pytest.mark.parametrize("kind", [pa.list_(pa.float32(), 2), pa.list_(pa.float64(), 3)])
def test_another_width_or_type_is_refused(kind):
    with pytest.raises(ValueError, match="expected float32 lists of 3"):
        read_vectors(pa.nulls(2, kind), 3)


SCRIPT = """
import sys
from pathlib import Path
import numpy as np
from mmerc.features.store import FeatureRow, FeatureSpec, FeatureStore
store = FeatureStore.create(Path(sys.argv[1]), FeatureSpec(modality="audio", extractor="a", dim=2))
store.append([FeatureRow(conversation="c", utterance="1", vector=np.ones(2, np.float32))])
assert len(store.read().rows) == 1
assert "pandas" not in sys.modules
"""


def test_a_store_does_not_import_pandas(tmp_path):
    subprocess.run([sys.executable, "-c", SCRIPT, tmp_path], check=True)
