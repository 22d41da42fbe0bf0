"""Edits of lines, in the form in which they are sent and stored."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    TypeAdapter,
)

from mmerc.corpora.records import check_surrogates

_Id = Annotated[str, Field(max_length=300, description="The line, by its id.")]
Name = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=r"^[^\r\n]*$"),
    AfterValidator(check_surrogates),
]
"""The name of a speaker or rater, on one line."""
_Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
_Number = Annotated[int, Field(ge=1, description="The number of an earlier correction.")]


class _Edit(BaseModel):
    """An edit; unknown fields are rejected."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class LabelEdit(_Edit):
    """Choose the emotion of a line; ``blind``: the rater had not seen the prediction."""

    kind: Literal["label"]
    id: _Id
    label: str
    blind: bool = False


class TextEdit(_Edit):
    """Replace the words of a line."""

    kind: Literal["text"]
    id: _Id
    text: Annotated[str, Field(max_length=10_000), AfterValidator(check_surrogates)]


class SpeakerEdit(_Edit):
    """Replace the speaker of a line, or with ``everywhere``, of all lines of that speaker."""

    kind: Literal["speaker"]
    id: _Id
    speaker: Name
    everywhere: bool = False


class TimesEdit(_Edit):
    """Replace start and end of a line, in seconds."""

    kind: Literal["times"]
    id: _Id
    start: _Seconds
    end: _Seconds


class SplitEdit(_Edit):
    """Split a line before a character of its words, at a time (None: in proportion)."""

    kind: Literal["split"]
    id: _Id
    character: Annotated[int, Field(ge=1)]
    time: _Seconds | None = None


class MergeEdit(_Edit):
    """Merge a line with the next one, ``other``; label and speaker stay those of the first."""

    kind: Literal["merge"]
    id: _Id
    other: _Id


class ExcludeEdit(_Edit):
    """Exclude a line from all results, or include it again."""

    kind: Literal["exclude"]
    id: _Id
    excluded: bool


class UndoEdit(_Edit):
    """Undo an earlier correction."""

    kind: Literal["undo"]
    number: _Number


class RedoEdit(_Edit):
    """Apply an undone correction again."""

    kind: Literal["redo"]
    number: _Number


class PredictEdit(_Edit):
    """New predictions of edited lines; created by the server only.

    ``doubts``: why labels are doubtful, by line; None in logs of earlier versions.
    """

    kind: Literal["predict"]
    predictions: dict[str, dict[str, Any]]
    doubts: dict[str, str] | None = None


LineEdit = LabelEdit | TextEdit | SpeakerEdit | TimesEdit | SplitEdit | MergeEdit | ExcludeEdit
Edit = Annotated[LineEdit | UndoEdit | RedoEdit, Field(discriminator="kind")]
"""Edits that clients may send."""

StoredEdit = Annotated[LineEdit | UndoEdit | RedoEdit | PredictEdit, Field(discriminator="kind")]
EDITS: TypeAdapter[LineEdit | UndoEdit | RedoEdit | PredictEdit] = TypeAdapter(StoredEdit)
"""Parses a stored edit."""
