"""Contents of a folder."""

from mmerc.inference.formats import ANALYSIS_FORMATS

ENDINGS = tuple(ANALYSIS_FORMATS)


def assert_files(folder, names):
    assert {path.name for path in folder.iterdir()} == set(names)


def results(stem):
    """Names of the files that an analysis writes."""
    return {f"{stem}.{ending}" for ending in ENDINGS}
