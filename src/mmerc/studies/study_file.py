"""``study.yaml``: the recordings of a study, their columns, and the settings."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from mmerc.errors import InputError, UsageError
from mmerc.files import read_text
from mmerc.media.speakers.clustering import SpeakerCount
from mmerc.media.speakers.diarizers import Diarizer
from mmerc.parsing import UniqueKeys
from mmerc.prediction.set_request import SetRequest
from mmerc.studies.study_recordings import Part

_FIX = "fix the file (docs/studies.md describes it)"
_MESSAGES = {
    "missing": "missing",
    "too_short": "the list is empty",
    "tuple_type": "expected a list",
    "string_type": "expected one text",
    "model_type": "expected keys and values, such as `file: talk.mp4`",
    "dict_type": "expected keys and values, such as {age: 34}",
    "bool_parsing": "expected true or false",
    "bool_type": "expected true or false",
}


class _Section(BaseModel):
    """A section of the file; unknown keys are refused, empty values count as missing."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _drop_empty(cls, value: Any) -> Any:
        if value == "":
            return {}
        if isinstance(value, Mapping):
            return {key: item for key, item in value.items() if item not in ("", None)}
        return value


class StudySettings(_Section):
    """Settings of the analysis; None is the default of ``mmerc analyze``."""

    model: str | None = None
    speakers: str | None = None
    diarizer: Diarizer = "mmerc"
    face: Literal["speaking", "largest", "all"] = "speaking"
    whisper: str = "tiny.en"
    language: str | None = None
    commercial_only: bool = False
    live: bool = False
    sets: float | None = Field(default=None, gt=0, lt=1)
    class_conditional: bool = False
    most_labels: int = Field(default=3, ge=1)

    @field_validator("speakers")
    @classmethod
    def _check_speakers(cls, value: str | None) -> str | None:
        try:
            SpeakerCount.parse(value or "1")
        except UsageError as error:
            raise ValueError(str(error).rstrip(".")) from error
        return value

    @property
    def set_request(self) -> SetRequest | None:
        """The requested prediction sets."""
        return SetRequest.create(
            self.sets, class_conditional=self.class_conditional, most_labels=self.most_labels
        )

    def describe(self) -> dict[str, Any]:
        """Return the settings that affect results; set options only if sets are requested."""
        unused = () if self.sets is not None else ("sets", "class_conditional", "most_labels")
        return self.model_dump(exclude=set(unused))


class RecordingEntry(_Section):
    """A recording; paths are relative to the file."""

    file: str
    name: str | None = None
    subtitles: str | None = None
    turns: str | None = None
    transcript: str | None = None
    participant: str | None = None
    session: str | None = None
    condition: str | None = None
    group: str | None = None
    columns: dict[str, str] = Field(default_factory=dict)
    speakers: dict[str, str] = Field(default_factory=dict)
    exclude: tuple[Part, ...] = ()

    @field_validator("exclude", mode="before")
    @classmethod
    def _parse_parts(cls, value: Any) -> Any:
        if not isinstance(value, list):
            raise ValueError("expected a list of parts such as 12.5-20 (seconds)")
        return tuple(map(_parse_part, value))


class StudyFile(_Section):
    """The whole file; ``exclude``: recordings to skip, by file or name."""

    recordings: tuple[RecordingEntry, ...] = Field(min_length=1)
    exclude: tuple[str, ...] = ()
    settings: StudySettings = StudySettings()


def _parse_part(text: Any) -> Part:
    """Read ``START-END`` in seconds; ValueError if it is something else."""
    start, _, end = str(text).partition("-")
    try:
        part = float(start), float(end)
    except ValueError:
        part = (0.0, 0.0)
    if not 0 <= part[0] < part[1] < float("inf"):
        raise ValueError(f"{text!r} is not a part such as 12.5-20 (start-end in seconds)")
    return part


def read_study_file(path: Path) -> StudyFile:
    """Read a study file; InputError, in one sentence, if it is invalid.

    All values are read as text: ``on`` stays "on", ``007`` stays "007".
    """
    try:
        value = yaml.load(read_text(path), _TextLoader)  # noqa: S506 - it makes texts only
    except yaml.YAMLError as error:
        problem = " ".join(str(error).split())
        raise InputError(path, f"not YAML ({problem})", _FIX) from error
    except RecursionError as error:
        raise InputError(path, "its lists are nested too deeply", _FIX) from error
    if not isinstance(value, dict):
        raise InputError(path, "not a study (expected a list under `recordings:`)", _FIX)
    try:
        return StudyFile.model_validate(value)
    except ValidationError as error:
        raise InputError(path, _describe(error), _FIX) from error


class _TextLoader(UniqueKeys, yaml.BaseLoader):
    """A loader limited to texts, lists and mappings; refuses duplicate keys."""

    def construct_scalar(self, node: Any) -> str:
        text = str(super().construct_scalar(node))
        if any("\ud800" <= sign <= "\udfff" for sign in text):
            raise yaml.YAMLError(f"half a Unicode character in line {node.start_mark.line + 1}")
        return text


def _describe(error: ValidationError) -> str:
    """Describe the first problem of a study file, with its position."""
    first = error.errors()[0]
    place = ".".join(str(part + 1) if isinstance(part, int) else part for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return f"{place}: no such key"
    message = _MESSAGES.get(first["type"], first["msg"].removeprefix("Value error, "))
    return f"{place}: {message[:1].lower()}{message[1:]}" if place else message
