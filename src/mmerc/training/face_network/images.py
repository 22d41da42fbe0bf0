"""FER2013's faces as one tensor per usage, without those used in the composed corpus."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import Tensor

from mmerc.errors import InputError
from mmerc.features.denseface.extractor import grey_face
from mmerc.media.segment import MediaError

Usage = Literal["Training", "PublicTest", "PrivateTest"]
EMOTIONS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
_COLUMNS = {"name": pa.string(), "usage": pa.string(), "label": pa.string(), "jpeg": pa.binary()}


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledFaces:
    """Greyscale ``images`` [N, 1, 48, 48] uint8 and ``labels`` [N], indices of ``EMOTIONS``."""

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def to(self, device: torch.device) -> LabelledFaces:
        return LabelledFaces(images=self.images.to(device), labels=self.labels.to(device))


def _reserved(name: str) -> bool:
    """Whether a Training image is reserved for the composed corpus.

    A network that provides vectors for that corpus must not have seen it.
    """
    return zlib.crc32(name.encode()) % 4 == 0


def read_faces(parquet: Path, usage: Usage) -> LabelledFaces:
    """Read the faces of one usage; for Training, only those not reserved.

    InputError if the file is not FER2013, has no such faces, or a face cannot be read.
    """
    rows = [
        row
        for row in _read_rows(parquet, usage)
        if usage != "Training" or not _reserved(row["name"])
    ]
    if not rows:
        raise InputError(parquet, f"no face for {usage} in it", "give the whole of FER2013")
    return LabelledFaces(
        images=torch.from_numpy(np.stack([_face_of(row, parquet) for row in rows]))[:, None],
        labels=torch.tensor([_label_of(row, parquet) for row in rows]),
    )


def _read_rows(parquet: Path, usage: Usage) -> list[dict[str, Any]]:
    """Read the rows of one usage."""
    fix = "give FER2013 as Parquet with the columns name, usage, label and jpeg"
    try:
        schema = pq.read_schema(parquet)
        if any(schema.names.count(name) != 1 for name in _COLUMNS):
            raise InputError(parquet, "not FER2013's columns", fix)
        if any(schema.field(name).type != kind for name, kind in _COLUMNS.items()):
            raise InputError(parquet, "not FER2013's types of columns", fix)
        table = pq.read_table(parquet, columns=list(_COLUMNS), filters=[("usage", "==", usage)])
    except (OSError, pa.ArrowException) as error:
        raise InputError(parquet, "not a readable Parquet file", fix) from error
    rows: list[dict[str, Any]] = table.to_pylist()
    return rows


def _face_of(row: dict[str, Any], parquet: Path) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Decode a row's greyscale image."""
    try:
        return grey_face(row["jpeg"])
    except MediaError as error:
        raise error.inside(f"{parquet}, {row['name']}") from error


def _label_of(row: dict[str, Any], parquet: Path) -> int:
    """Return the index of a row's emotion."""
    if row["label"] not in EMOTIONS:
        problem = f"{row['name']} has the label {row['label']!r}"
        raise InputError(parquet, problem, f"use {', '.join(EMOTIONS)}")
    return EMOTIONS.index(row["label"])
