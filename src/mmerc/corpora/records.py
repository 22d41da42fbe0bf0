"""Validate the lines of a JSON Lines manifest."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, FiniteFloat, ValidationError
from pydantic_core import PydanticCustomError

from mmerc.conversation import Modality, Split
from mmerc.corpora.error_location import inside
from mmerc.errors import InputError
from mmerc.files import read_text
from mmerc.parsing import parse_json


def check_surrogates(text: str) -> str:
    """Refuse a lone surrogate, which JSON allows but UTF-8 cannot encode."""
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise PydanticCustomError("lone_surrogate", "text contains half a Unicode character")
    return text


_Text = Annotated[str, AfterValidator(check_surrogates)]
_Name = Annotated[_Text, Field(min_length=1)]
_Seconds = Annotated[FiniteFloat, Field(ge=0)]
_Probability = Annotated[FiniteFloat, Field(ge=0, le=1)]
_Numbers = Annotated[list[FiniteFloat], Field(min_length=1)]
FIXES = {"missing": "add it", "extra_forbidden": "remove it or fix its spelling"}


class Record(BaseModel):
    """Base class: refuses unknown keys; converts only integers to floats."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class UtteranceRecord(Record):
    """An utterance of a manifest; ``features`` maps a modality to numbers or null.

    ``modality_labels`` maps a modality to the emotion shown by it alone, ``soft_labels`` a label to
    its probability.
    """

    id: _Name
    text: _Text
    speaker: _Name | None = None
    start: _Seconds | None = None
    end: _Seconds | None = None
    label: _Name | None = None
    modality_labels: dict[Modality, _Name] = {}
    soft_labels: dict[_Name, _Probability] = {}
    media: _Name | None = None
    media_start: _Seconds | None = None
    features: dict[Modality, _Numbers | None] = {}


class ConversationRecord(Record):
    """A line of a manifest."""

    id: _Name
    utterances: Annotated[list[UtteranceRecord], Field(min_length=1)]
    split: Split | None = None
    media: _Name | None = None
    media_start: _Seconds | None = None


def read_records(file: Path) -> Iterator[tuple[int, ConversationRecord]]:
    """Yield line number and record of every non-empty line; InputError if invalid."""
    empty = True
    # Only line feeds end a line: JSON strings may contain other separators.
    for number, line in enumerate(read_text(file).split("\n"), start=1):
        if line.strip():
            empty = False
            with inside(f"{file}, line {number}"):
                yield number, _read_record(line)
    if empty:
        raise InputError(file, "it contains no conversation", "write one JSON object per line")


def _read_record(line: str) -> ConversationRecord:
    """Parse the conversation of a line."""
    value = parse_json(line, where="text", fix="write one JSON object per line")
    try:
        return ConversationRecord.model_validate(value)
    except ValidationError as error:
        raise _describe_error(value, error) from error


def _describe_error(value: object, error: ValidationError) -> InputError:
    """Describe the first problem in one sentence with conversation and field."""
    first = error.errors(include_url=False)[0]
    steps = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"])
    conversation = _conversation_name(value)
    got = "" if first["type"] in FIXES else f", got {shorten(first['input'])}"
    problem = f"{first['msg'][:1].lower()}{first['msg'][1:]}{got}"
    where = f"{conversation}field {steps.lstrip('.')!r}" if steps else "whole line"
    return InputError(where, problem, FIXES.get(first["type"], "fix the value"))


def _conversation_name(value: object) -> str:
    """Return the conversation id of a raw line, if readable."""
    name = value.get("id") if isinstance(value, dict) else None
    return f"conversation {name!r}, " if isinstance(name, str) else ""


def shorten(value: object) -> str:
    """Shorten a value for a sentence."""
    text = ascii(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
