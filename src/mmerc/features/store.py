"""Feature store: one folder of Parquet parts for each extractor fingerprint.

A row has ``conversation``, ``utterance``, ``vector`` (null if the modality is absent),
``absent_because`` and ``saw_label`` (whether the extractor's network was trained on this
utterance's label). Parts are written atomically, so that an interrupted run can resume. pandas,
polars, DuckDB and Hugging Face datasets can read them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import cast

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from mmerc.conversation import MODALITIES, Modality
from mmerc.errors import InputError
from mmerc.features.arrow_columns import (
    bool_column,
    read_vectors,
    string_column,
    vector_column,
)
from mmerc.files import atomic_file, fingerprint, read_json, write_json

Vector = NDArray[np.float32]
Key = tuple[str, str]  # conversation id, utterance id


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureSpec:
    """Everything that vectors depend on; a changed setting changes the fingerprint."""

    modality: Modality
    extractor: str
    dim: int
    settings: Mapping[str, str | int | float | bool | None] = field(default_factory=dict)

    @property
    def fingerprint(self) -> str:
        return fingerprint({**asdict(self), "settings": dict(self.settings)})

    @property
    def folder(self) -> str:
        return f"{self.modality}-{self.extractor}-{self.fingerprint[:12]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureRow:
    """One utterance's vector (float32 [dim]), or None and the reason for its absence."""

    conversation: str
    utterance: str
    vector: Vector | None
    absent_because: str | None = None
    saw_label: bool = False


@dataclass(frozen=True, kw_only=True)
class FeatureTable:
    """All vectors of one modality in memory."""

    spec: FeatureSpec
    rows: Mapping[Key, FeatureRow]

    @classmethod
    def of(cls, spec: FeatureSpec, rows: Iterable[FeatureRow]) -> FeatureTable:
        """Check the rows against ``spec`` and index them; InputError on a bad vector."""
        table: dict[Key, FeatureRow] = {}
        for row in rows:
            check_vector(row, spec)
            table[row.conversation, row.utterance] = row
        return cls(spec=spec, rows=table)

    def vector(self, conversation: str, utterance: str) -> Vector | None:
        row = self.rows.get((conversation, utterance))
        return None if row is None else row.vector

    @cached_property
    def content_fingerprint(self) -> str:
        """Return the SHA-256 of specification, keys and values, in key order."""
        digest = hashlib.sha256(self.spec.fingerprint.encode())
        for key in sorted(self.rows):
            row = self.rows[key]
            digest.update("\0".join((*key, str(row.saw_label))).encode())
            digest.update(b"absent" if row.vector is None else row.vector.tobytes())
        return digest.hexdigest()


def stack_vectors(vectors: Sequence[Vector | None], width: int) -> Vector:
    """Return vectors as a matrix, zeros for None.

    Nothing is copied if they are successive rows of one matrix, as read from a store, so do not
    write to the result. Shape: N times [width] -> [N, width].
    """
    rows = _successive_rows(vectors)
    if rows is not None:
        return rows
    matrix = np.zeros((len(vectors), width), dtype=np.float32)
    for row, vector in enumerate(vectors):
        if vector is not None:
            matrix[row] = vector
    return matrix


def _successive_rows(vectors: Sequence[Vector | None]) -> Vector | None:
    """Return the rows of the matrix that the vectors are views of; None if there are none."""
    found = [vector for vector in vectors if vector is not None]
    matrix = found[0].base if found else None
    if len(found) < len(vectors) or matrix is None or matrix.shape[1:] != found[0].shape:
        return None
    offset = found[0].ctypes.data - matrix.ctypes.data
    first = offset // matrix.strides[0]
    rows = matrix[first : first + len(found)]
    same = len(rows) == len(found) and all(
        vector.base is matrix and vector.ctypes.data == row.ctypes.data
        for vector, row in zip(found, rows, strict=True)
    )
    return rows if same and rows.flags.writeable else None


def check_vector(row: FeatureRow, spec: FeatureSpec) -> None:
    """Refuse a vector with a wrong width or a non-finite value."""
    if row.vector is None:
        return
    where = f"{spec.modality} vector of conversation {row.conversation!r}, {row.utterance!r}"
    if row.vector.shape != (spec.dim,):
        problem = f"expected {spec.dim} numbers, got {row.vector.shape}"
        raise InputError(where, problem, "give every vector of a modality the same width")
    if not np.isfinite(row.vector).all():
        position = int(np.flatnonzero(~np.isfinite(row.vector))[0])
        problem = f"number {position} is {row.vector[position]}"
        raise InputError(where, problem, "fix it, or leave the vector out as absent")


class FeatureStore:
    """Append-only folder of vectors with one specification."""

    def __init__(self, directory: Path, spec: FeatureSpec) -> None:
        self.directory = directory
        self.spec = spec

    @classmethod
    def create(cls, directory: Path, spec: FeatureSpec) -> FeatureStore:
        """Open the store for ``spec`` in ``directory``, creating the folder if necessary."""
        folder = directory / spec.folder
        if not (folder / "store.json").exists():
            folder.mkdir(parents=True, exist_ok=True)
            write_json(folder / "store.json", {**asdict(spec), "settings": dict(spec.settings)})
        return cls(folder, spec)

    @classmethod
    def open(cls, folder: Path) -> FeatureStore:
        """Open an existing store folder."""
        return cls(folder, _read_spec(folder / "store.json"))

    def append(self, rows: Sequence[FeatureRow]) -> None:
        """Append ``rows`` as a new part, atomically."""
        for row in rows:
            check_vector(row, self.spec)
        with atomic_file(self.directory / f"part-{len(self.parts()):05d}.parquet") as path:
            pq.write_table(to_arrow(rows, self.spec.dim), path)

    def parts(self) -> list[Path]:
        return sorted(self.directory.glob("part-*.parquet"))

    def read(self) -> FeatureTable:
        """Load every part."""
        return FeatureTable.of(
            self.spec, (row for part in self.parts() for row in _read_part(part, self.spec.dim))
        )


def to_arrow(rows: Sequence[FeatureRow], dim: int) -> pa.Table:
    """Convert rows to an Arrow table."""
    return pa.table(
        {
            "conversation": string_column([row.conversation for row in rows]),
            "utterance": string_column([row.utterance for row in rows]),
            "vector": vector_column([row.vector for row in rows], dim),
            "absent_because": string_column([row.absent_because for row in rows]),
            "saw_label": bool_column([row.saw_label for row in rows]),
        }
    )


def _read_part(path: Path, dim: int) -> Iterator[FeatureRow]:
    """Read the rows of a part; InputError if the file is damaged."""
    try:
        with pq.ParquetFile(path) as file:
            yield from from_arrow(file.read(), dim)
    except (OSError, KeyError, ValueError, pa.ArrowException) as error:
        problem = "not a complete part of a feature store"
        raise InputError(path, problem, "extract the features again") from error


def from_arrow(table: pa.Table, dim: int) -> list[FeatureRow]:
    """Convert an Arrow table to rows; KeyError or ValueError for an unexpected schema."""
    vectors = read_vectors(table.column("vector").combine_chunks(), dim)
    names = ("conversation", "utterance", "absent_because", "saw_label")
    columns = [table.column(name).to_pylist() for name in names]
    return [
        FeatureRow(
            conversation=conversation,
            utterance=utterance,
            vector=vector,
            absent_because=reason,
            saw_label=saw_label,
        )
        for vector, conversation, utterance, reason, saw_label in zip(
            vectors, *columns, strict=True
        )
    ]


def _read_spec(path: Path) -> FeatureSpec:
    """Read ``store.json``."""
    value = read_json(path)
    keys = {"modality", "extractor", "dim"}
    if (
        not isinstance(value, dict)
        or not keys <= value.keys()
        or value["modality"] not in MODALITIES
        or not isinstance(value["dim"], int)
    ):
        problem = "not the description of a feature store"
        raise InputError(path, problem, "extract the features again")
    return FeatureSpec(
        modality=cast(Modality, value["modality"]),
        extractor=str(value["extractor"]),
        dim=value["dim"],
        settings=value.get("settings", {}),
    )
