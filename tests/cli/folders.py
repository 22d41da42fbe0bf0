"""What stands in a folder."""

ENDINGS = ("html", "jsonl", "csv", "vtt", "eaf", "TextGrid")


def nothing_new(folder, names):
    assert {path.name for path in folder.iterdir()} == set(names)


def results(stem):
    """Names of the files that an analysis writes."""
    return {f"{stem}.{ending}" for ending in ENDINGS}
