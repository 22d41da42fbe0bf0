"""The code that determines the results of an analysis, as a fingerprint."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from pathlib import Path

from mmerc.files import file_fingerprint, fingerprint

_CODE = (
    *("conversation.py", "csv_text.py", "labels.py", "precision.py", "packaged_weights.py"),
    *("weights", "media", "corpora", "nn", "features", "data", "evaluation", "models"),
    *("prediction", "inference"),
    *("studies/recording_analysis.py", "studies/sources.py"),
)
_SOURCES = {".py", ".js", ".css", ".html"}


@cache
def fingerprint_code() -> str:
    """Hash the code of analyses and of their files.

    Builds of one version may have different code, so the version does not identify results.
    """
    package = Path(str(files("mmerc")))
    paths = [path for name in _CODE for path in (package / name, *(package / name).rglob("*"))]
    sources = sorted(path for path in paths if path.suffix in _SOURCES)
    return fingerprint([[str(p.relative_to(package)), file_fingerprint(p)] for p in sources])
