"""Client messages; sound and pictures may also be binary messages."""

from __future__ import annotations

import json
from typing import Annotated, Literal

from pydantic import Field, FiniteFloat, TypeAdapter, ValidationError

from mmerc.corpora.records import FIXES, Record, shorten
from mmerc.serving.live.refusal import RefusedError
from mmerc.serving.live.sound_decoding import SoundFormat

PROTOCOL_VERSION: Literal[1] = 1
SESSION_ID = "^[0-9a-f]{32}$"
_MAX_WORD = 100  # characters
_MAX_WORDS = 200  # per message
_Seconds = Annotated[FiniteFloat, Field(ge=0, le=1e6)]
_ShortText = Annotated[str, Field(min_length=1, max_length=_MAX_WORD)]


class Start(Record):
    """Start a session: encoding of the sound, source of words, and whether pictures follow.

    ``sample_rate`` in Hz, required for PCM. ``words``: whether the service transcribes (``server``)
    or the client sends words. ``keep``: store the sound and finally the results as an ordinary job
    with this ``name``; otherwise nothing is written to disk.
    """

    type: Literal["start"]
    version: Literal[1]
    format: SoundFormat
    sample_rate: int | None = None
    words: Literal["server", "client"] = "server"
    video: bool = False
    keep: bool = False
    name: Annotated[str, Field(min_length=1, max_length=100)] = "live"


class Resume(Record):
    """Resume a session after a lost connection; ``after``: last received sequence number."""

    type: Literal["resume"]
    version: Literal[1]
    session: Annotated[str, Field(pattern=SESSION_ID)]
    after: Annotated[int, Field(ge=0)]


class ClientWord(Record):
    """A word; times in seconds since the first sample. ``speaker``: if known."""

    text: _ShortText
    start: _Seconds
    end: _Seconds
    probability: Annotated[FiniteFloat, Field(ge=0, le=1)] = 1.0
    speaker: _ShortText | None = None


class ClientWords(Record):
    """Words recognised by the client, in order of time, each sent once."""

    type: Literal["words"]
    words: Annotated[list[ClientWord], Field(min_length=1, max_length=_MAX_WORDS)]


class Picture(Record):
    """A picture at a time in seconds since the first sample.

    ``jpeg`` in Base64; if missing, the next binary message is the picture.
    """

    type: Literal["picture"]
    time: _Seconds
    jpeg: str | None = None


class End(Record):
    """End of the sound: the rest is analysed and the session ends."""

    type: Literal["end"]


CLIENT_MESSAGES: tuple[type[Record], ...] = (Start, Resume, ClientWords, Picture, End)
ClientMessage = Start | Resume | ClientWords | Picture | End
_ADAPTER: TypeAdapter[ClientMessage] = TypeAdapter(
    Annotated[ClientMessage, Field(discriminator="type")]
)


def read_message(text: str) -> ClientMessage:
    """Parse a message; RefusedError with a sentence that names the field."""
    try:
        # Pydantic's own JSON parser accepts NaN and lone surrogates.
        value = json.loads(text, parse_constant=_refuse_constant)
        text.encode()
        json.dumps(value, ensure_ascii=False).encode()
        return _ADAPTER.validate_python(value)
    except ValidationError as error:
        raise _describe(error) from None
    except RecursionError:
        raise _refusal("is nested too deeply", "send one flat object") from None
    except ValueError:
        raise _refusal("is not JSON", "send one JSON object per text message") from None


def _refuse_constant(name: str) -> float:
    raise ValueError(name)


def _describe(error: ValidationError) -> RefusedError:
    """Describe the first problem of a message in one sentence."""
    first = error.errors()[0]
    kind = first["type"]
    if kind in {"union_tag_invalid", "union_tag_not_found"}:
        return _refusal("has no known type", "use start, resume, words, picture or end")
    if kind.startswith(("model_", "dict_")) and len(first["loc"]) <= 1:
        return _refusal("is not an object", "send one JSON object per text message")
    where = ".".join(str(part) for part in first["loc"][1:])
    if first["loc"][1:] == ("version",):
        fix = f"use {PROTOCOL_VERSION}"
        return _refusal(f"has version {shorten(first['input'])}", fix, code_is_protocol=True)
    message = f"{first['msg'][:1].lower()}{first['msg'][1:]}"
    fix = FIXES.get(kind, "fix the value")
    return _refusal(f"cannot be used: {shorten(where)}: {message}", fix)


def _refusal(problem: str, fix: str, *, code_is_protocol: bool = False) -> RefusedError:
    code: Literal["protocol", "message"] = "protocol" if code_is_protocol else "message"
    return RefusedError(code, f"The message {problem}; {fix}.", fatal=False)
