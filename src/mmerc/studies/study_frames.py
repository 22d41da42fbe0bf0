"""The tables of a study as data frames."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mmerc.errors import InputError, MmercError

if TYPE_CHECKING:
    import pandas as pd


class Study:
    """The tables that ``mmerc analyze ... --out STUDY`` wrote, as pandas data frames.

    ``codebook.md`` in the folder explains every column. InputError if the folder is not a study, or
    a table is missing; MmercError if pandas is not installed.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        if not self.folder.is_dir():
            raise InputError(self.folder, "no such folder", "check the path")

    def utterances(self) -> pd.DataFrame:
        """One row per utterance, with the columns of the study."""
        return self._read("utterances")

    def recordings(self) -> pd.DataFrame:
        """One row per recording."""
        return self._read("recordings")

    def speakers(self) -> pd.DataFrame:
        """One row per speaker of a recording: shares of emotions, words, times."""
        return self._read("speakers")

    def transitions(self) -> pd.DataFrame:
        """One row per pair of consecutive speakers and emotions in a recording."""
        return self._read("transitions")

    def _read(self, name: str) -> pd.DataFrame:
        """Read one table."""
        try:
            import pandas as pd
        except ImportError as error:
            problem = "Data frames need pandas; install it with: pip install 'mmerc[study]'."
            raise MmercError(problem) from error
        path = self.folder / f"{name}.parquet"
        try:
            return pd.read_parquet(path, engine="pyarrow")
        except (OSError, ValueError) as error:
            problem = "not the table of a study, or it cannot be read"
            fix = "finish the study with `mmerc analyze ... --out STUDY`"
            raise InputError(path, problem, fix) from error
