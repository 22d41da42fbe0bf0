"""Arrow columns of rows, built from buffers.

pyarrow's own conversions import pandas, if it is installed, which takes half a second.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray


def string_column(values: Sequence[str | None]) -> pa.Array:
    """Build a column of strings; None is null."""
    texts = [(value or "").encode() for value in values]
    ends = pa.py_buffer(np.cumsum([0, *map(len, texts)], dtype=np.int32))
    valid = _pack([value is not None for value in values])
    return pa.StringArray.from_buffers(len(texts), ends, pa.py_buffer(b"".join(texts)), valid)


def bool_column(values: Sequence[bool]) -> pa.Array:
    """Build a column of Booleans."""
    return pa.Array.from_buffers(pa.bool_(), len(values), [None, _pack(values)])


def vector_column(vectors: Sequence[NDArray[np.float32] | None], dim: int) -> pa.Array:
    """Build a column of float32 lists of ``dim`` numbers; None is null."""
    filled = [np.zeros(dim, np.float32) if vector is None else vector for vector in vectors]
    numbers = np.concatenate(filled, dtype=np.float32) if filled else np.zeros(0, np.float32)
    column = pa.Array.from_buffers(pa.float32(), len(numbers), [None, pa.py_buffer(numbers)])
    absent = bool_column([vector is None for vector in vectors])
    return pa.FixedSizeListArray.from_arrays(column, dim, mask=absent)


def read_vectors(column: pa.FixedSizeListArray, dim: int) -> list[NDArray[np.float32] | None]:
    """Read a column of float32 lists as rows of one matrix; ValueError for other types."""
    if column.type.list_size != dim or column.type.value_type != pa.float32():
        raise ValueError(f"expected float32 lists of {dim}, got {column.type}")
    if not len(column):
        return []
    numbers = column.values
    values = np.frombuffer(
        numbers.buffers()[1], np.float32, count=len(numbers), offset=4 * numbers.offset
    )
    # Copied: rows need a NumPy base array (``stack_vectors``).
    matrix = values.reshape(-1, dim)[column.offset :][: len(column)].copy()
    valid = column.is_valid().to_pylist()
    return [row if present else None for row, present in zip(matrix, valid, strict=True)]


def _pack(flags: Sequence[bool]) -> pa.Buffer:
    """Pack flags into bits."""
    return pa.py_buffer(np.packbits(np.array(flags, bool), bitorder="little"))
