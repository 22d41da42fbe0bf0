"""Read raters from files and folders given on the command line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from mmerc.annotation.rated_lines import ENDINGS, RatedLine, read_rated_lines
from mmerc.errors import InputError

_PREFERRED = (".jsonl", ".csv", ".eaf", ".TextGrid")  # preference among results of a recording


def read_raters(paths: Sequence[Path], raters: Sequence[str] = ()) -> dict[str, list[RatedLine]]:
    """Read the labels of all raters, by name, in file order.

    A file is one rater with the file's name, unless it names several; a folder is one rater with a
    file per recording. ``raters`` names columns or tiers, as for ``read_rated_lines``. A path
    without suffix means the results of that name.
    """
    names = [path.stem if path.is_file() else path.name for path in paths]
    lines: dict[str, list[RatedLine]] = {}
    for path, name in zip(paths, names, strict=True):
        unnamed = f"{path.absolute().parent.name}/{name}" if names.count(name) > 1 else name
        for file in find_files(path):
            for rater, rated in read_rated_lines(file, raters).items():
                if path.is_dir():
                    rated = [_name_conversation(line, file.stem) for line in rated]  # noqa: PLW2901
                if not rater and unnamed in lines and not path.is_dir():
                    problem = "is given twice"
                    raise InputError(path, problem, "give each rater once")
                lines.setdefault(rater or unnamed, []).extend(rated)
    return name_conversations(lines)


def find_files(path: Path) -> list[Path]:
    """Return the file itself, the results of that name, or a folder's file per recording."""
    if path.is_dir():
        stems = sorted({file.stem for file in path.iterdir() if file.suffix in ENDINGS})
        files = [_find_result(path / stem) for stem in stems if not stem.startswith(".")]
        if files:
            return [file for file in files if file]
        fix = f"put files that end in {', '.join(ENDINGS)} into it"
        raise InputError(path, "a folder without annotations", fix)
    if not path.exists() or path.suffix == ".html":
        result = _find_result(path.with_suffix("") if path.suffix == ".html" else path)
        if result is None:
            raise InputError(path, "no such file", "check the path")
        return [result]
    return [path]


def _find_result(stem: Path) -> Path | None:
    """Return the first file of that name with a known suffix."""
    candidates = (stem.with_name(stem.name + ending) for ending in _PREFERRED)
    return next((path for path in candidates if path.is_file()), None)


def _name_conversation(line: RatedLine, name: str) -> RatedLine:
    return line if line.conversation else replace(line, conversation=name)


def name_conversations(lines: dict[str, list[RatedLine]]) -> dict[str, list[RatedLine]]:
    """If only one conversation is named, assign unnamed lines to it."""
    names = {line.conversation for rated in lines.values() for line in rated} - {""}
    if len(names) != 1:
        return lines
    (name,) = names
    return {
        rater: [_name_conversation(line, name) for line in rated] for rater, rated in lines.items()
    }


def spellings(lines: Mapping[str, Sequence[RatedLine]]) -> Iterator[str]:
    """Yield all labels as written."""
    return (line.label for rated in lines.values() for line in rated if line.label)
