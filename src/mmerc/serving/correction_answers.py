"""Answers of the service about the lines of an analysis and their corrections."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import BaseModel

from mmerc.inference.correction.correction_log import Correction, CorrectionLog
from mmerc.inference.correction.edited_lines import EditedLine
from mmerc.inference.correction.edited_results import describe_values
from mmerc.inference.correction.edits import (
    LabelEdit,
    MergeEdit,
    PredictEdit,
    RedoEdit,
    SplitEdit,
    UndoEdit,
)
from mmerc.inference.correction.sample_folder import SampleFolder
from mmerc.inference.page.data import label_data, utf16_place
from mmerc.serving.correction_desk import Desk
from mmerc.serving.problems import Problem

_VERBS = {
    "label": "chose another label for", "text": "changed the words of",
    "speaker": "changed the speaker of", "times": "changed the times of", "split": "split",
    "merge": "merged", "exclude": "excluded or included", "undo": "undid a correction of",
    "redo": "redid a correction of",
}  # fmt: skip


class AuthorAnswer(BaseModel):
    """The rater who changed a field last, and the time (seconds since 1970)."""

    rater: str
    time: float


class LineAnswer(BaseModel):
    """The current state of a line.

    ``label`` is chosen by a person, null if there is none. ``predicted`` and ``probabilities`` are
    the model's, null for a blind rater who has not chosen yet. ``stale``: words, speaker or times
    have changed since the prediction. ``doubtful``: text spans of doubtful words, in UTF-16 units.
    ``doubt``: why the model's label is doubtful. For samples only: ``conversation``, the one to
    play, and ``before``, the preceding utterances.
    """

    id: str
    speaker: str
    text: str
    start: float | None
    end: float | None
    label: str | None
    predicted: str | None
    probabilities: dict[str, float] | None
    excluded: bool
    stale: bool
    overlap: float | None
    doubtful: list[list[int]]
    doubt: str | None
    authors: dict[str, AuthorAnswer]
    conversation: str | None = None
    before: list[str] = []


class CorrectionAnswer(BaseModel):
    """A correction: the ids of the changed lines, and the new values as text."""

    number: int
    rater: str
    time: float
    kind: str
    target: int | None
    lines: list[str]
    values: str


class LabelAnswer(BaseModel):
    """A label with its colour and a readable text colour."""

    name: str
    colour: str
    ink: str


class CorrectionsAnswer(BaseModel):
    """Lines changed since the requested revision, or all lines.

    ``order`` is the order of all lines, null if unchanged. ``revision`` is the number of the latest
    correction. ``predicts_again``: the service can predict stale lines again. ``sample``: the lines
    are a sample to label, not to correct.
    """

    revision: int
    recording: str
    media: bool
    duration: float | None
    model: str
    predicts_again: bool
    sample: bool
    labels: list[LabelAnswer]
    order: list[str] | None
    lines: list[LineAnswer]
    corrections: list[CorrectionAnswer]


class ConflictAnswer(Problem):
    """Somebody else has corrected the same line; lists their corrections. Nothing was changed."""

    corrections: list[CorrectionAnswer]


def describe_corrections(
    desk: Desk, *, since: int | None, rater: str, blind: bool
) -> CorrectionsAnswer:
    """Describe changes after correction ``since`` (None: all lines), as visible to ``rater``."""
    log, blind = desk.log, blind or desk.sample is not None
    with log.lock:
        corrections = log.corrections[since or 0 :]
        changed = {key for item in corrections for key in item.lines}
        lines = [log.lines.lines[k] for k in log.lines.order if since is None or k in changed]
        reorders = since is None or _reorder(log, corrections)
        return CorrectionsAnswer(
            revision=log.revision,
            recording=log.analysis.recording,
            media=desk.recording is not None or desk.sample is not None,
            duration=log.analysis.duration,
            model=log.analysis.model,
            predicts_again=desk.predicts_again,
            sample=desk.sample is not None,
            labels=[LabelAnswer(**values) for values in label_data(log.analysis.labels)],
            order=list(log.lines.order) if reorders else None,
            lines=[_describe_line(line, rater, blind=blind, sample=desk.sample) for line in lines],
            corrections=_describe_all(corrections, rater, blind=blind),
        )


def _reorder(log: CorrectionLog, corrections: Iterable[Correction]) -> bool:
    """Whether corrections add or remove lines."""
    edits = [
        log.corrections[c.edit.number - 1].edit
        if isinstance(c.edit, UndoEdit | RedoEdit)
        else c.edit
        for c in corrections
    ]
    return any(isinstance(edit, SplitEdit | MergeEdit) for edit in edits)


def _describe_line(
    line: EditedLine, rater: str, *, blind: bool, sample: SampleFolder | None
) -> LineAnswer:
    """Describe a line; blind raters see only their own label, once it is chosen.

    A sample has no predictions.
    """
    hidden = sample is not None or (blind and rater not in line.ratings)
    sampled = None if sample is None else sample.find(line.id)
    return LineAnswer(
        id=line.id,
        speaker=line.speaker,
        text=line.text,
        start=line.start,
        end=line.end,
        label=line.ratings.get(rater) if blind else line.label,
        predicted=None if hidden else line.prediction.label,
        probabilities=None if hidden else dict(line.prediction.probabilities),
        excluded=line.excluded,
        stale=line.is_stale,
        overlap=line.marks.overlap,
        doubtful=[utf16_place(line.text, place) for place in line.marks.doubtful],
        doubt=None if hidden else line.marks.label,
        authors={
            name: AuthorAnswer(rater=author.rater, time=author.time)
            for name, author in line.authors.items()
            if not (blind and name == "label" and author.rater != rater)
        },
        conversation=None if sampled is None else sampled.conversation,
        before=[] if sampled is None else list(sampled.before),
    )


def _describe_all(
    corrections: Iterable[Correction], rater: str, *, blind: bool
) -> list[CorrectionAnswer]:
    """Describe corrections; blind raters do not see the labels of others."""
    return [
        CorrectionAnswer(
            number=item.number,
            rater=item.author.rater,
            time=item.author.time,
            kind=item.edit.kind,
            target=item.edit.number if isinstance(item.edit, UndoEdit | RedoEdit) else None,
            lines=sorted(item.lines),
            values=describe_values(item.edit),
        )
        for item in corrections
        if not isinstance(item.edit, PredictEdit)
        and not (blind and isinstance(item.edit, LabelEdit) and item.author.rater != rater)
    ]


def describe_conflict(
    corrections: Iterable[Correction], rater: str, *, blind: bool
) -> ConflictAnswer:
    """Describe conflicting corrections, in one sentence and as data."""
    latest = list(corrections)[-1]
    values = describe_values(latest.edit)
    hidden = blind and isinstance(latest.edit, LabelEdit)
    what = f": {_quote(values)}" if values and latest.edit.kind in {"text", "label"} else ""
    who = f"{latest.author.rater}{' (on another page)' if latest.author.rater == rater else ''}"
    detail = f"Meanwhile {who} {_VERBS[latest.edit.kind]} this line{'' if hidden else what}."
    return ConflictAnswer(detail=detail, corrections=_describe_all(corrections, rater, blind=blind))


def _quote(text: str, most: int = 80) -> str:
    """Quote a text, shortened to a maximum length."""
    return f"\u201c{text if len(text) <= most else text[: most - 1] + chr(0x2026)}\u201d"
