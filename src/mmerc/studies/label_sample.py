"""A sample of a study for people to label, without what the model predicted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mmerc.annotation.predicted_rows import PredictedRows, is_predicted_table, read_predicted_rows
from mmerc.annotation.rater_files import find_files
from mmerc.errors import InputError, UsageError
from mmerc.evaluation.label_sampling import (
    STRATEGIES,
    UNCERTAIN,
    Strategy,
    draw_sample,
    expected_half_width,
)
from mmerc.features.recordings import conversation_id
from mmerc.files import atomic_directory, write_text
from mmerc.inference.correction.stored_analysis import StoredAnalysis, load_analysis
from mmerc.inference.exports.elan import as_blank_eaf
from mmerc.inference.exports.tiers import timed_utterances
from mmerc.inference.results import link_recording
from mmerc.studies.study_folder import StudyFolder
from mmerc.studies.table_columns import TableColumn
from mmerc.studies.table_writer import format_header, format_rows

TABLE, ELAN = "sample.csv", "elan"
_COLUMNS = ("conversation", "id", "speaker", "start", "end", "text", "label", "strategy")
_NOT_RANDOM = (
    "WARNING: these are the utterances that the model is least sure of; shares, accuracy and "
    "agreement from them are biased, so label a random sample for those."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelSample:
    """A sample that was written: ``labels`` to choose from, and the files to fill in.

    ``half_widths`` are halves of the expected 95 % intervals of shares (0 to 1) of 10 and 50 %, as
    the labels of a random sample give them; None if the sample is not drawn by chance.
    """

    utterances: int
    total: int
    labels: tuple[str, ...]
    files: tuple[Path, ...]
    half_widths: tuple[float, float] | None
    remarks: tuple[str, ...]


def write_sample(
    study: str | Path,
    out: str | Path,
    *,
    utterances: int = 50,
    strategy: Strategy = "random",
    by: str | None = None,
    seed: int = 0,
) -> LabelSample:
    """Draw utterances of a study, or of an analysis, and write them to a new folder for labelling.

    ``out/sample.csv`` has all of them in random order; ``out/elan`` an EAF per recording that has
    times, linked to its media. ``by`` names a column over whose values they are spread. InputError
    if ``out`` exists, or there are too few utterances or no predictions.
    """
    study, out = Path(study), Path(out)
    if out.exists() or out.is_symlink():
        raise InputError(out, "exists already", "choose another --out")
    rows = read_predicted_rows(study)
    _check_draw(study, rows, utterances, strategy, by)
    positions = draw_sample(
        strategy,
        utterances,
        predicted=_number([line.label or "" for line in rows.lines]),
        confidence=None if rows.probabilities is None else rows.probabilities.max(axis=1),
        groups=_number(rows.read_column(by)) if by else None,
        seed=seed,
    )
    labels = rows.labels or tuple(sorted({line.label for line in rows.lines if line.label}))
    with atomic_directory(out) as folder:
        write_text(folder / TABLE, _format_table(rows, positions, strategy))
        names, count = _write_elan(study, rows, positions, folder / ELAN, strategy)
    total = len(rows.lines)
    return LabelSample(
        utterances=utterances,
        total=total,
        labels=labels,
        files=(out / TABLE, *(out / ELAN / name for name in names)),
        half_widths=None
        if strategy == UNCERTAIN
        else (
            expected_half_width(0.1, utterances, total),
            expected_half_width(0.5, utterances, total),
        ),
        remarks=tuple(_remarks(strategy, utterances - count)),
    )


def _check_draw(
    study: Path, rows: PredictedRows, count: int, strategy: Strategy, by: str | None
) -> None:
    """UsageError or InputError if the utterances cannot be drawn like this."""
    if strategy not in STRATEGIES:
        raise UsageError(f"Unknown strategy {strategy!r}; use {', '.join(STRATEGIES)}.")
    if count < 1:
        raise UsageError(f"A sample of {count} utterances has nothing to label; draw 1 or more.")
    if count > len(rows.lines):
        fix = f"draw {len(rows.lines)} or fewer"
        raise InputError(study, f"has {len(rows.lines)} utterances, not {count}", fix)
    if strategy == UNCERTAIN and by:
        raise UsageError("--by is for random and stratified; uncertain takes the least certain.")
    if strategy == UNCERTAIN and rows.probabilities is None:
        fix = "use random or stratified"
        raise InputError(study, "has no probabilities, which uncertain sorts by", fix)


def _number(values: list[str]) -> NDArray[np.int64]:
    """The position of each value among the different ones. Shape: [N]."""
    return np.unique(values, return_inverse=True)[1].astype(np.int64)


def _format_table(rows: PredictedRows, positions: NDArray[np.int64], strategy: str) -> str:
    """The utterances as CSV, with an empty label and without predictions."""
    columns = [
        TableColumn(name=name, kind="number" if name in {"start", "end"} else "text", meaning="")
        for name in _COLUMNS
    ]
    cells = []
    for position in positions:
        line, row = rows.lines[position], rows.rows[position]
        text = row.get("text")
        cells.append(
            {
                "conversation": line.conversation, "id": line.id, "speaker": line.speaker,
                "start": line.start, "end": line.end, "strategy": strategy,
                "text": None if text is None else str(text),
            }
        )  # fmt: skip
    return format_header(columns) + format_rows(columns, cells)


def _write_elan(
    study: Path, rows: PredictedRows, positions: NDArray[np.int64], folder: Path, strategy: str
) -> tuple[list[str], int]:
    """Write the EAFs; return their names, and how many utterances of the sample they contain."""
    chosen: dict[str, set[str]] = {}
    for position in positions:
        line = rows.lines[position]
        chosen.setdefault(line.conversation, set()).add(line.id or "")
    drawn = {str(rows.rows[position].get("recording", "")) for position in positions}
    names, count = [], 0
    for name, directory, stored in _read_analyses(study, drawn):
        ids = _ids_in_recording(stored, chosen)
        if ids:
            names.append(f"{name}.eaf")
            count += len(ids)
            text = as_blank_eaf(stored.analysis, ids, strategy=strategy)
            write_text(folder / names[-1], text)
            recording = directory / stored.analysis.recording
            if recording.is_file():
                link_recording(recording, folder)
    return names, count


def _read_analyses(study: Path, drawn: set[str]) -> Iterator[tuple[str, Path, StoredAnalysis]]:
    """Analyses of a study's recordings, or of the files: name, folder and content.

    Predictions that are no analysis are left out.
    """
    if is_predicted_table(study):
        folder = StudyFolder(study if study.is_dir() else study.parent)
        paths = [folder.recording(name) for name in sorted(drawn) if name]
    else:
        paths = find_files(study)
    for path in paths:
        try:
            stored = load_analysis(path)
        except InputError:
            continue
        name, directory = (path.name, path) if path.is_dir() else (stored.stem, path.parent)
        yield name, directory, stored


def _ids_in_recording(stored: StoredAnalysis, chosen: Mapping[str, set[str]]) -> set[str]:
    """The chosen utterances that have times; none if the analysis is not of one recording."""
    name = conversation_id(Path(stored.analysis.recording))
    if {item.conversation for item in stored.analysis.predictions} != {name}:
        return set()
    timed = {item.prediction.id for item in timed_utterances(stored.analysis)}
    return timed & chosen.get(name, set())


def _remarks(strategy: str, untimed: int) -> Iterator[str]:
    """What the user must know about a sample."""
    if strategy == UNCERTAIN:
        yield _NOT_RANDOM
    if untimed:
        yield f"{untimed} utterances are not in ELAN files (no times, or no analysed recording)."
