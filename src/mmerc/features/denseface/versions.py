"""Versions of the face vectors; a model keeps using the version it was trained on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mmerc.errors import InputError, MmercError
from mmerc.files import file_fingerprint, read_json

_FOLDER = Path(__file__).parent
_FIRST, _SECOND, _THIRD = (_FOLDER / f"weights{number}.safetensors" for number in ("", "-2", "-3"))


@dataclass(frozen=True, slots=True, kw_only=True)
class FaceVersion:
    """Weights that come with mmerc, with pre- and post-processing.

    ``equalised``: crops are histogram-equalised, like FER2013's pictures. ``average``: whether an
    utterance's faces have equal weights, or more weight if they are sharp and frontal.
    """

    weights: Path
    equalised: bool = False
    average: Literal["plain", "weighted"] = "plain"

    @property
    def settings(self) -> Mapping[str, str | bool]:
        """The version's settings in the fingerprint of the vectors."""
        if not self.equalised:
            return {}  # for compatibility with stores of the first version
        return {"equalised": True, "average": self.average}


VERSIONS: Mapping[str, FaceVersion] = {
    "denseface": FaceVersion(weights=_FIRST),
    "denseface-2": FaceVersion(weights=_SECOND, equalised=True, average="weighted"),
    "denseface-2-plain": FaceVersion(weights=_SECOND, equalised=True),
    "denseface-3": FaceVersion(weights=_THIRD, equalised=True, average="weighted"),
}
"""Name of an extractor -> its version."""


def locate_shipped_weights(version: FaceVersion) -> Path:
    """Locate the weights that come with mmerc, verified by hash.

    MmercError if they are missing, InputError if they were changed.
    """
    path = version.weights
    if not path.is_file():
        raise MmercError(
            "This mmerc comes without face weights; train them on FER2013 and name the file, or "
            "install a release of mmerc that has them."
        )
    card = read_json(path.with_suffix(".json"))
    if not isinstance(card, dict) or card.get("sha256") != file_fingerprint(path):
        raise InputError(path, "not the weights that were shipped", "reinstall mmerc")
    return path
