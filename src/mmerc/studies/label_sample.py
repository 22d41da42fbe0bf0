"""Draw a sample of a study for labelling, without predictions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mmerc.annotation.predicted_rows import PredictedRows, is_predicted_table, read_predicted_rows
from mmerc.annotation.rater_files import find_files
from mmerc.errors import InputError, UsageError
from mmerc.evaluation.label_sampling import (
    STRATEGIES,
    STRATIFIED,
    UNCERTAIN,
    Strategy,
    draw_sample,
    expected_half_width,
    weigh_sample,
)
from mmerc.features.recordings import conversation_id
from mmerc.files import atomic_directory, write_text
from mmerc.inference.correction.sample_folder import SampledUtterance, SampleFolder
from mmerc.inference.correction.stored_analysis import StoredAnalysis, load_analysis
from mmerc.inference.exports.elan import as_blank_eaf
from mmerc.inference.exports.tiers import timed_utterances
from mmerc.inference.results import link_recording
from mmerc.studies.study_folder import StudyFolder
from mmerc.studies.table_columns import TableColumn
from mmerc.studies.table_writer import format_header, format_rows

TABLE, ELAN = "sample.csv", "elan"
_COLUMNS = ("conversation", "id", "speaker", "start", "end", "text", "label", "strategy")
_CONTEXT = 3  # preceding utterances shown on the page
_NOT_RANDOM = (
    "WARNING: these are the utterances that the model is least sure of; shares, accuracy and "
    "agreement from them are biased, so label a random sample for those."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelSample:
    """A written sample: ``labels`` to choose from, and the files to fill in.

    ``half_widths``: expected half-widths of the 95 % intervals of shares (0 to 1) of 10 and 50 %,
    for a random sample; None if the sample is not random.
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
    """Draw utterances of a study or an analysis, and write them to a new folder for labelling.

    ``out/sample.csv`` has all of them in random order, as has ``out/sample.json`` for the labelling
    page; ``out/elan`` has an EAF for each recording with times, linked to its media. ``by``: spread
    the sample over the values of this column. InputError if ``out`` exists, or there are too few
    utterances or no predictions.
    """
    study, out = Path(study), Path(out)
    if out.exists() or out.is_symlink():
        raise InputError(out, "exists already", "choose another --out")
    rows = read_predicted_rows(study)
    _check_draw(study, rows, utterances, strategy, by)
    predicted = _number([line.label or "" for line in rows.lines])
    positions = draw_sample(
        strategy,
        utterances,
        predicted=predicted,
        confidence=None if rows.probabilities is None else rows.probabilities.max(axis=1),
        groups=_number(rows.read_column(by)) if by else None,
        seed=seed,
    )
    labels = rows.labels or tuple(sorted({line.label for line in rows.lines if line.label}))
    drawn = _describe(rows, positions)
    if strategy == STRATIFIED:
        weights = np.round(weigh_sample(predicted, positions), 6).tolist()
        drawn = [replace(item, weight=w) for item, w in zip(drawn, weights, strict=True)]
    with atomic_directory(out) as folder:
        write_text(folder / TABLE, _format_table(drawn, strategy))
        names, recordings, count = _write_elan(study, rows, positions, folder / ELAN, strategy)
        SampleFolder(
            name=f"Sample of {study.resolve().name}", labels=labels, strategy=strategy,
            utterances=tuple(drawn), recordings=recordings,
        ).write(folder)  # fmt: skip
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
    """UsageError or InputError for an invalid sample."""
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
    """Number the distinct values. Shape: [N]."""
    return np.unique(values, return_inverse=True)[1].astype(np.int64)


def _describe(rows: PredictedRows, positions: NDArray[np.int64]) -> list[SampledUtterance]:
    """Return the drawn utterances with their context."""
    place_in = {position: place for place, position in enumerate(_order_by_conversation(rows))}
    order = list(place_in)
    return [
        SampledUtterance(
            conversation=line.conversation, id=line.id or "", speaker=line.speaker,
            text=_read_text(rows, position), start=line.start, end=line.end,
            before=tuple(
                f"{rows.lines[other].speaker}: {_read_text(rows, other)}".removeprefix(": ")
                for other in order[max(0, place_in[position] - _CONTEXT) : place_in[position]]
                if rows.lines[other].conversation == line.conversation
            ),
        )
        for position, line in ((int(p), rows.lines[p]) for p in positions)
    ]  # fmt: skip


def _order_by_conversation(rows: PredictedRows) -> list[int]:
    """Return the indices of all utterances, grouped by conversation and in order."""
    first: dict[str, int] = {}
    for position, line in enumerate(rows.lines):
        first.setdefault(line.conversation, position)
    return sorted(range(len(rows.lines)), key=lambda p: (first[rows.lines[p].conversation], p))


def _read_text(rows: PredictedRows, position: int) -> str:
    """Return the text of an utterance; empty if unknown."""
    text = rows.rows[position].get("text")
    return "" if text is None else str(text)


def _format_table(drawn: Sequence[SampledUtterance], strategy: str) -> str:
    """Format the utterances as CSV, with empty labels and without predictions."""
    weighted = any(item.weight is not None for item in drawn)
    numbers = {"start", "end", "weight"}
    columns = [
        TableColumn(name=name, kind="number" if name in numbers else "text", meaning="")
        for name in (*_COLUMNS, *(("weight",) if weighted else ()))
    ]
    cells = [
        {
            "conversation": item.conversation, "id": item.id, "speaker": item.speaker,
            "start": item.start, "end": item.end, "strategy": strategy, "text": item.text or None,
            "weight": item.weight,
        }
        for item in drawn
    ]  # fmt: skip
    return format_header(columns) + format_rows(columns, cells)


def _write_elan(
    study: Path, rows: PredictedRows, positions: NDArray[np.int64], folder: Path, strategy: str
) -> tuple[list[str], dict[str, str], int]:
    """Write the EAFs.

    Returns their names, the recordings by conversation, and the number of sampled utterances in
    them.
    """
    chosen: dict[str, set[str]] = {}
    for position in positions:
        line = rows.lines[position]
        chosen.setdefault(line.conversation, set()).add(line.id or "")
    drawn = {str(rows.rows[position].get("recording", "")) for position in positions}
    names, recordings, count = [], dict[str, str](), 0
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
                conversation = conversation_id(Path(stored.analysis.recording))
                recordings[conversation] = f"{ELAN}/{recording.name}"
    return names, recordings, count


def _read_analyses(study: Path, drawn: set[str]) -> Iterator[tuple[str, Path, StoredAnalysis]]:
    """Yield the analyses of a study's recordings, or of files: name, folder and content.

    Predictions without an analysis are skipped.
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
    """Return the chosen utterances with times; none unless the analysis is of one recording."""
    name = conversation_id(Path(stored.analysis.recording))
    if {item.conversation for item in stored.analysis.predictions} != {name}:
        return set()
    timed = {item.prediction.id for item in timed_utterances(stored.analysis)}
    return timed & chosen.get(name, set())


def _remarks(strategy: str, untimed: int) -> Iterator[str]:
    """Remark on limitations of a sample."""
    if strategy == UNCERTAIN:
        yield _NOT_RANDOM
    if untimed:
        yield f"{untimed} utterances are not in ELAN files (no times, or no analysed recording)."
