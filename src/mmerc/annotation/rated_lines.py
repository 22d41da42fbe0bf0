"""Read one rater's labels from tables and annotation files."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmerc.annotation.elan_reader import read_eaf
from mmerc.annotation.textgrid_reader import read_textgrid
from mmerc.annotation.tier_files import AnnotationTier, TierFile
from mmerc.corpora.csv_rows import read_rows, refusing_bad_csv
from mmerc.corpora.error_location import inside
from mmerc.errors import InputError
from mmerc.media.text_files import read_small_text
from mmerc.parsing import parse_json

LABEL_TIER = "emotion"
ENDINGS = (".csv", ".jsonl", ".eaf", ".TextGrid")
_TIER_READERS = {".eaf": read_eaf, ".textgrid": read_textgrid}
_FIELD_LIMIT = 2**20
_LARGEST = 2**30  # bytes
_FORMULA = frozenset("=+-@")
_COLUMNS = frozenset(
    {"conversation", "id", "utterance", "speaker", "start", "end", "text", "label", "rater"}
)
_NUMBERS = ("start", "end", "weight")


@dataclass(frozen=True, slots=True, kw_only=True)
class RatedLine:
    """A label of one utterance; times in seconds, None if unknown.

    ``conversation`` is empty if unknown; ``id`` is None for intervals of a tier; ``label`` is None
    if the rater chose none. ``strategy``: sampling strategy of ``mmerc sample``, empty if not
    sampled; ``weight``: the number of utterances it represents, None if unknown.
    """

    conversation: str
    id: str | None
    speaker: str
    start: float | None
    end: float | None
    label: str | None
    strategy: str = ""
    weight: float | None = None


def read_rated_lines(path: Path, raters: Sequence[str] = ()) -> dict[str, list[RatedLine]]:
    """Read the labels of a file by rater; "" for an unnamed rater.

    ``raters`` names columns or tiers with one rater's labels each. InputError without labels, or if
    one of ``raters`` is missing.
    """
    if path.suffix.lower() in _TIER_READERS:
        lines = _tier_lines(_TIER_READERS[path.suffix.lower()](path), raters)
    elif path.suffix.lower() in {".csv", ".jsonl"}:
        lines = _table_lines(path, raters)
    else:
        fix = f"use a file that ends in {', '.join(ENDINGS)}, or a folder of them"
        raise InputError(path, "not a supported kind of file for labels", fix)
    if not any(line.label for rater in lines.values() for line in rater):
        raise InputError(path, "an empty annotation: no line has a label", "label it first")
    return lines


def read_one_rater(path: Path) -> list[RatedLine]:
    """Read the labels of a file by a single rater; InputError if there are several."""
    raters = read_rated_lines(path)
    if len(raters) > 1:
        names = ", ".join(repr(name) for name in raters)
        fix = "leave the labels of one rater in it, as `label`"
        raise InputError(path, f"labels of {len(raters)} raters ({names})", fix)
    return next(iter(raters.values()))


def _tier_lines(file: TierFile, raters: Sequence[str]) -> dict[str, list[RatedLine]]:
    """Read the tiers named in ``raters``, or the emotion tiers by annotator."""
    if raters:
        chosen = {name: [tier for tier in file.tiers if tier.name == name] for name in raters}
    else:
        chosen = {}
        for tier in file.tiers:
            if tier.is_kind(LABEL_TIER):
                chosen.setdefault(tier.annotator, []).append(tier)
    missing = [name for name, tiers in chosen.items() if not tiers]
    if missing or not chosen:
        names = ", ".join(repr(tier.name) for tier in file.tiers) or "no tiers"
        problem = f"no tier {missing[0]!r}" if missing else f"no tier {LABEL_TIER!r}"
        fix = f"name the tiers that have labels with --raters (it has {names})"
        raise InputError(file.path, problem, fix)
    conversation = Path(file.media[-1]).stem if file.media else ""
    return {
        rater: [line for tier in tiers for line in _interval_lines(tier, conversation, file)]
        for rater, tiers in chosen.items()
    }


def _interval_lines(tier: AnnotationTier, conversation: str, file: TierFile) -> Iterator[RatedLine]:
    """Yield one line per interval."""
    speaker = tier.speaker if tier.is_kind(LABEL_TIER) else tier.participant
    for item in tier.intervals:
        yield RatedLine(
            conversation=conversation, id=None, speaker=speaker, start=item.start, end=item.end,
            label=item.text or None, strategy=file.strategy,
        )  # fmt: skip


def _table_lines(path: Path, raters: Sequence[str]) -> dict[str, list[RatedLine]]:
    """Read a table: columns of ``raters``, or ``label`` (by ``rater``), or ``label.NAME``."""
    rows = read_label_rows(path)
    columns = list(dict.fromkeys(name for _, row in rows for name in row))
    sources = _label_columns(columns, raters)
    if not sources:
        absent = next((r for r in raters if find_column(r, columns) not in columns), "label")
        names = ", ".join(columns) or "no columns"
        fix = f"name the columns that have labels with --raters (it has {names})"
        raise InputError(path, f"no column {absent!r}", fix)
    lines: dict[str, list[RatedLine]] = {}
    for where, row in rows:
        for rater, column in sources.items():
            line = build_line(row, _label(row.get(column), f"{path}, {where}"), f"{path}, {where}")
            name = _text(row.get("rater")) if column == "label" else rater
            lines.setdefault(name, []).append(line)
    return lines


def _label_columns(columns: Sequence[str], raters: Sequence[str]) -> dict[str, str]:
    """Return the column of each rater; empty if one is missing."""
    if raters:
        sources = {name: find_column(name, columns) for name in raters}
        return sources if set(sources.values()) <= set(columns) else {}
    if "label" in columns:
        return {"": "label"}
    return {name[6:]: name for name in columns if name.startswith(("label.", "label_"))}


def read_label_rows(path: Path) -> list[tuple[str, dict[str, Any]]]:
    """Read rows of a CSV or JSON Lines file with positions; conversations become utterances.

    InputError with the line if it is damaged.
    """
    text = read_small_text(path, largest=_LARGEST)
    rows = list(_csv_rows(path, text) if path.suffix.lower() == ".csv" else _json_rows(path, text))
    if not rows:
        raise InputError(path, "an empty annotation: it has no line", "label it first")
    return rows


def _csv_rows(path: Path, text: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield rows of a table separated by comma, semicolon or tab, as saved by spreadsheets.

    Empty rows are skipped; unless commas are separators, numbers may have decimal commas.
    """
    head = text.partition("\n")[0]
    marked = re.fullmatch("sep=([,;\t])", head)  # for Excel, which hides it
    separator = marked[1] if marked else max(",;\t", key=head.count)
    csv.field_size_limit(_FIELD_LIMIT)
    lines = io.StringIO(text, newline="")
    before = len(lines.readlines(1)) if marked else 0
    reader = csv.DictReader(lines, delimiter=separator, strict=True)
    with inside(path):
        with refusing_bad_csv(reader, before=before):
            names = [_column_name(name) for name in reader.fieldnames or ()]
        for name in names:
            if name and names.count(name) > 1:
                problem = f"two columns are named {name!r}"
                raise InputError("the header", problem, "rename one of them")
        for number, row in read_rows(reader, before=before):
            cells = {_column_name(name): cell for name, cell in row.items()}
            if separator != ",":
                cells |= {name: cells[name].replace(",", ".") for name in _NUMBERS if name in cells}
            if any(map(str.strip, row.values())):
                yield f"line {number}", cells


def _column_name(name: str) -> str:
    """Strip a column name; known names are matched ignoring case."""
    name = name.strip()
    return name.casefold() if name.casefold() in _COLUMNS else name


def find_column(name: str, columns: Collection[str]) -> str:
    """Find the column for a user's name, whose case may have changed on reading."""
    return name if name in columns else _column_name(name)


def _json_rows(path: Path, text: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield objects, one per line; a manifest's conversation gives one row per utterance."""
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        value = parse_json(line, where=f"{path}, line {number}", fix="fix the line")
        if not isinstance(value, dict):
            raise InputError(f"{path}, line {number}", "not an object", "write one per line")
        if isinstance(value.get("utterances"), list):
            for item in value["utterances"]:
                if not isinstance(item, dict):
                    problem = "an utterance that is not an object"
                    raise InputError(f"{path}, line {number}", problem, "fix the line")
                yield f"line {number}", dict(item) | {"conversation": value.get("id")}
        else:
            yield f"line {number}", value


def build_line(row: Mapping[str, Any], label: object, where: str) -> RatedLine:
    """One row as a line."""
    start, end = (read_seconds(row.get(name), where) for name in ("start", "end"))
    name = _name(row.get("id", row.get("utterance")))
    if not name and (start is None or end is None):
        fix = "give it a column id, or columns start and end in seconds"
        raise InputError(where, "the line has neither an id nor times", fix)
    return RatedLine(
        conversation=_name(row.get("conversation")),
        id=name or None,
        speaker=_name(row.get("speaker")),
        start=start,
        end=end,
        label=_text(label) or None,
        strategy=_text(row.get("strategy")),
        weight=_read_weight(row, where),
    )


def _name(value: object) -> str:
    """Return a name without the apostrophe that protects it in spreadsheets."""
    text = _text(value)
    return text[1:] if text[:1] == "'" and text[1:2] in _FORMULA else text


def _label(value: object, where: str) -> object:
    """Check a label; InputError if it is neither text nor a number."""
    if value is None or isinstance(value, str) or _is_number(value):
        return value
    raise InputError(where, f"{value!r} is not a label", "write one label as text")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _text(value: object) -> str:
    """A cell as text; empty if it is missing."""
    return "" if value is None else str(value).strip()


def _read_weight(row: Mapping[str, Any], where: str) -> float | None:
    """Read the weight of a line from ``mmerc sample``; in other tables the column is unrelated."""
    value = row.get("weight")
    if not _text(value) or not _text(row.get("strategy")):
        return None
    try:
        weight = float(str(value))
    except ValueError:
        weight = math.nan
    if not (math.isfinite(weight) and weight > 0):
        fix = "restore it from sample.json"
        raise InputError(where, f"{value!r} is not the weight of an utterance", fix)
    return weight


def read_seconds(value: object, where: str) -> float | None:
    """Parse a cell as seconds; None if it is empty."""
    if value is None or value == "":
        return None
    try:
        seconds = float(str(value))
    except ValueError:
        seconds = math.nan
    if not (math.isfinite(seconds) and seconds >= 0):
        raise InputError(where, f"{value!r} is not a time in seconds", "fix or empty the cell")
    return seconds
