"""The lines of an analysis during editing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from mmerc.errors import InputError
from mmerc.inference.analysis import Analysis, Marks
from mmerc.inference.correction.edits import (
    ExcludeEdit,
    LabelEdit,
    LineEdit,
    MergeEdit,
    PredictEdit,
    SpeakerEdit,
    SplitEdit,
    TextEdit,
    TimesEdit,
)
from mmerc.inference.correction.stored_analysis import build_prediction
from mmerc.prediction.utterance_prediction import UtterancePrediction

_Places = tuple[tuple[int, int], ...]
_TOLERANCE = 0.5  # seconds that a line may extend past the recording's end


@dataclass(frozen=True, slots=True)
class Author:
    """The rater who made an edit, and the time (seconds since 1970)."""

    rater: str
    time: float


@dataclass(frozen=True, slots=True, kw_only=True)
class EditedLine:
    """The current state of an utterance; ``label`` is None until a person has chosen one.

    ``prediction`` is the model's, possibly for older words or times (``is_stale``). ``authors``:
    who changed each field last. ``ratings``: the label chosen by each rater.
    """

    id: str
    speaker: str
    text: str
    start: float | None
    end: float | None
    prediction: UtterancePrediction
    marks: Marks
    label: str | None = None
    excluded: bool = False
    authors: Mapping[str, Author] = field(default_factory=dict)
    ratings: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_stale(self) -> bool:
        """Whether words, speaker or times have changed since the prediction."""
        item = self.prediction
        before = (item.text, item.speaker, item.start, item.end)
        return before != (self.text, self.speaker, self.start, self.end)

    def edit(self, author: Author, *fields: str, **values: object) -> EditedLine:
        """Return the line with new values; ``fields`` are those changed by ``author``."""
        authors = {**self.authors, **dict.fromkeys(fields, author)}
        return replace(self, authors=authors, **values)  # type: ignore[arg-type]


class EditedLines:
    """The lines of an analysis, in order. ``apply`` is atomic."""

    def __init__(self, analysis: Analysis) -> None:
        self.analysis = analysis
        self.order = [item.id for item in analysis.predictions]
        self.lines = {
            item.id: EditedLine(
                id=item.id,
                speaker=item.speaker,
                text=item.text,
                start=item.start,
                end=item.end,
                prediction=item,
                marks=analysis.marks.get(item.id, Marks()),
            )
            for item in analysis.predictions
        }
        if len(self.lines) < len(self.order):
            problem = "ids of its lines occur twice"
            raise InputError(analysis.recording, problem, "correct one conversation at a time")

    def apply(self, edit: LineEdit | PredictEdit, author: Author, number: int) -> frozenset[str]:
        """Apply the correction with this number; return the ids of the changed lines.

        InputError if it is not valid for the lines.
        """
        if isinstance(edit, PredictEdit):
            return self._predict(edit)
        line = self._line(edit.id)
        match edit:
            case LabelEdit():
                self._check_label(edit)
                ratings = {**line.ratings, author.rater: edit.label}
                marks = replace(line.marks, label=None)
                self._set(
                    line.edit(author, "label", label=edit.label, ratings=ratings, marks=marks)
                )
            case TextEdit():
                marks = replace(line.marks, doubtful=())
                self._set(line.edit(author, "text", text=edit.text, marks=marks))
            case SpeakerEdit():
                return self._rename(line, edit, author)
            case TimesEdit():
                self._check_times(edit, edit.start, edit.end)
                marks = replace(line.marks, overlap=None)
                values = {"start": edit.start, "end": edit.end, "marks": marks}
                changed = [name for name in ("start", "end") if values[name] != getattr(line, name)]
                self._set(line.edit(author, *changed, **values))
            case SplitEdit():
                return self._split(line, edit, author, number)
            case MergeEdit():
                return self._merge(line, edit, author)
            case ExcludeEdit():
                self._set(line.edit(author, "excluded", excluded=edit.excluded))
        return frozenset({line.id})

    def _line(self, key: str) -> EditedLine:
        if key not in self.lines:
            fix = "load the lines again; it may have been merged with another"
            raise InputError(f"line {key!r}", "does not exist", fix)
        return self.lines[key]

    def _set(self, line: EditedLine) -> None:
        self.lines[line.id] = line

    def _check_label(self, edit: LabelEdit) -> None:
        names = list(self.analysis.labels)
        if edit.label not in names:
            problem = f"{edit.label!r} is not one of the labels"
            raise InputError(f"line {edit.id!r}", problem, f"use one of {', '.join(names)}")

    def _check_times(self, edit: LineEdit, start: float, end: float) -> None:
        where, duration = f"line {edit.id!r}", self.analysis.duration
        if end - start < 0.001:
            raise InputError(where, f"it ends at {end} s, not after its start", "fix its times")
        if duration is not None and end > duration + _TOLERANCE:
            problem = f"past the end of the recording, which lasts {duration:.1f} s"
            raise InputError(where, problem, "choose an earlier end")

    def _rename(self, line: EditedLine, edit: SpeakerEdit, author: Author) -> frozenset[str]:
        """Change the speaker of a line, or rename a speaker.

        Renaming does not change who speaks, so overlaps and predictions stay valid.
        """
        same_people = edit.everywhere and all(
            item.speaker != edit.speaker for item in self.lines.values()
        )
        keys = [line.id]
        if edit.everywhere:
            keys = [key for key in self.order if self.lines[key].speaker == line.speaker]
        for key in keys:
            item = self.lines[key]
            marks, prediction = item.marks, item.prediction
            if not same_people:
                marks = replace(marks, overlap=None)
            elif prediction.speaker == item.speaker:
                prediction = replace(prediction, speaker=edit.speaker)
            self._set(
                item.edit(
                    author, "speaker", speaker=edit.speaker, marks=marks, prediction=prediction
                )
            )
        return frozenset(keys)

    def _split(
        self, line: EditedLine, edit: SplitEdit, author: Author, number: int
    ) -> frozenset[str]:
        """Split a line in two; the second one's id contains the correction's number."""
        first, second = line.text[: edit.character].rstrip(), line.text[edit.character :].lstrip()
        if not first or not second:
            problem = f"splitting at character {edit.character} would leave one side without words"
            raise InputError(f"line {line.id!r}", problem, "split it between two words")
        middle = _split_time(line, edit)
        key = f"{line.id}.{number}"
        while key in self.lines:
            key += "'"
        marks = replace(line.marks, overlap=None)
        places = marks.doubtful
        end, start = (line.end, line.start) if middle is None else (middle, middle)
        self._set(
            line.edit(
                author, "text", "end", "split",
                text=first, end=end, marks=replace(marks, doubtful=_shift(places, 0, first)),
            )
        )  # fmt: skip
        offset = len(second) - len(line.text)
        self._set(
            line.edit(
                author, "text", "start", "split", id=key,
                text=second, start=start,
                marks=replace(marks, doubtful=_shift(places, offset, second)),
            )
        )  # fmt: skip
        self.order.insert(self.order.index(line.id) + 1, key)
        return frozenset({line.id, key})

    def _merge(self, line: EditedLine, edit: MergeEdit, author: Author) -> frozenset[str]:
        """Replace two lines by one, which keeps the label of the first and the doubts about it."""
        other, place = self._line(edit.other), self.order.index(edit.id)
        if self.order[place + 1 : place + 2] != [edit.other]:
            problem = f"line {edit.other!r} is not the one that follows it"
            raise InputError(f"line {edit.id!r}", problem, "merge it with the next line")
        starts = [item.start for item in (line, other) if item.start is not None]
        ends = [item.end for item in (line, other) if item.end is not None]
        text, places = _join_words(line, other)
        merged = line.edit(
            author, "text", "end", "merge",
            text=text, start=min(starts, default=None), end=max(ends, default=None),
            marks=Marks(doubtful=places, label=line.marks.label),
            excluded=line.excluded and other.excluded,
        )  # fmt: skip
        self._set(merged)
        del self.lines[other.id]
        self.order.remove(other.id)
        return frozenset({line.id, other.id})

    def _predict(self, edit: PredictEdit) -> frozenset[str]:
        """Store new predictions; ignore lines that no longer exist."""
        keys = edit.predictions.keys() & self.lines.keys()
        for key in keys:
            prediction, line = build_prediction(edit.predictions[key]), self.lines[key]
            marks = line.marks
            if edit.doubts is not None and line.label is None:  # otherwise a person chose it
                marks = replace(marks, label=edit.doubts.get(key))
            self._set(replace(line, prediction=prediction, marks=marks))
        return frozenset(keys)


def _join_words(*lines: EditedLine) -> tuple[str, _Places]:
    """Join the words of several lines; return the text and the spans of doubtful words."""
    text, places = "", list[tuple[int, int]]()
    for line in lines:
        words = line.text.strip()
        text += " " if text and words else ""
        before = len(line.text) - len(line.text.lstrip())
        text, offset = text + words, len(text) - before
        places += _shift(line.marks.doubtful, offset, text)
    return text, tuple(places)


def _shift(places: _Places, offset: int, text: str) -> _Places:
    """Shift text spans by an offset; clip them to the text."""
    moved = ((max(start + offset, 0), min(end + offset, len(text))) for start, end in places)
    return tuple((start, end) for start, end in moved if start < end)


def _split_time(line: EditedLine, edit: SplitEdit) -> float | None:
    """Return the start of the second part; None without times. InputError if outside the line."""
    if line.start is None or line.end is None:
        return None
    share = edit.character / len(line.text)
    time = line.start + share * (line.end - line.start) if edit.time is None else edit.time
    if not line.start < time < line.end:
        problem = f"{time} s is not between its start and its end"
        raise InputError(f"line {line.id!r}", problem, "split it at a time during the line")
    return round(time, 3)
