"""The options of a job, stored in its folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from pydantic import TypeAdapter

from mmerc.files import write_text
from mmerc.prediction.set_request import SetRequest

_NAME = "order.json"
_ROOM = 1024  # bytes of a file that can be overwritten when the disk is full


@dataclass(frozen=True, slots=True, kw_only=True)
class JobOrder:
    """The options of a job.

    ``sets``: the requested prediction sets. ``corrects``: the id of an analysed job whose edited
    lines are predicted again; None: the job's own recording is analysed. ``cut``: why the end of
    the recording is missing, if it is.
    """

    sets: SetRequest | None = None
    corrects: str | None = None
    cut: str | None = None

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read the options of the job in a folder; ValueError if damaged."""
        path = folder / _NAME
        content = path.read_bytes() if path.is_file() else b"{}"
        return TypeAdapter(cls).validate_json(content)

    def write(self, folder: Path) -> None:
        """Write the options; OSError on a full disk."""
        write_text(folder / _NAME, self._pad())

    def overwrite(self, folder: Path) -> None:
        """Replace earlier options in place, which works even on a full disk."""
        with open(folder / _NAME, "r+b", buffering=0) as file:
            file.write(self._pad().encode())

    def _pad(self) -> str:
        return TypeAdapter(type(self)).dump_json(self).decode().ljust(_ROOM)
