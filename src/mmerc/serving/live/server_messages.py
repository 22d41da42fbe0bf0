"""Messages of the service: what a live session reports, and the state of the connection."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from mmerc.conversation import Modality
from mmerc.serving.live.client_messages import PROTOCOL_VERSION
from mmerc.serving.live.refusal import ErrorCode

EndReason = Literal["client", "length", "silence", "idle", "stopped", "failed"]


class ServerMessage(BaseModel):
    """A message with the protocol's version and a sequence number.

    Events have consecutive numbers from 1, and are sent again after a resume; everything else
    (``started``, ``stats``, ``words`` that are not final, an ``error`` about the connection or the
    form of a message) repeats the number of the last event before it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    version: Literal[1] = PROTOCOL_VERSION
    sequence: Annotated[int, Field(ge=0)] = 0


class EmotionLabel(BaseModel):
    """An emotion, with a colour, and a text colour that can be read on it."""

    name: str
    colour: str
    ink: str


class SessionLimits(BaseModel):
    """What a session may send; sizes in bytes, times in seconds.

    A session ends after ``longest``, after ``longest_silence`` without speech, or after
    ``longest_pause`` without a message; its results can be downloaded for ``grace``.
    """

    largest_message: int
    largest_picture: int
    most_pixels: int
    pictures_per_second: float
    longest: float
    longest_silence: float
    longest_pause: float
    grace: float


class Started(ServerMessage):
    """A session that began or was resumed; send its sound from byte ``received`` on."""

    type: Literal["started"] = "started"
    session: str
    resumed: bool
    received: int
    model: str
    labels: list[EmotionLabel]
    limits: SessionLimits


class SpeechStartedMessage(ServerMessage):
    """Somebody began to speak, ``time`` seconds after the first sample."""

    type: Literal["speech_started"] = "speech_started"
    time: float


class RecognisedWord(BaseModel):
    """A word with its times in seconds; ``probability`` 0 to 1."""

    text: str
    start: float
    end: float
    probability: float


class WordsMessage(ServerMessage):
    """Words of the speech from ``start`` to ``end``.

    Words that are not ``final`` replace earlier ones of the same ``start``.
    """

    type: Literal["words"] = "words"
    start: float
    end: float
    text: str
    words: tuple[RecognisedWord, ...]
    final: bool


class PredictedUtterance(BaseModel):
    """An utterance and its emotion; ``index`` counts from 1 and is its id in the results.

    ``effects`` and ``context_effect``: how much probability of ``emotion`` is lost without a
    modality or the context. ``modalities`` took part; ``absent``: why the others did not.
    """

    index: int
    start: float
    end: float
    text: str
    speaker: str
    emotion: str
    probabilities: Mapping[str, float]
    effects: Mapping[Modality, float | None]
    context_effect: float | None
    modalities: tuple[Modality, ...]
    absent: Mapping[Modality, str]


class UtteranceMessage(ServerMessage, PredictedUtterance):
    """A new utterance and its emotion."""

    type: Literal["utterance"] = "utterance"


class CorrectionMessage(ServerMessage):
    """What was said of an utterance changed, because of what came after it.

    ``utterance`` replaces the one of the same ``index``; null withdraws it.
    """

    type: Literal["correction"] = "correction"
    index: int
    reason: Literal["words", "speaker"]
    utterance: PredictedUtterance | None


class StatsMessage(ServerMessage):
    """How far the service is; ``received`` bytes of sound need not be sent again.

    ``seconds`` of sound were analysed, ``behind`` seconds are waiting, and ``real_time_factor`` is
    the computing time per second of sound: above 1, the session falls behind.
    """

    type: Literal["stats"] = "stats"
    received: int
    seconds: float
    behind: float
    real_time_factor: float | None
    dropped_frames: int


class ErrorMessage(ServerMessage):
    """What is wrong and how to fix it; ``fatal``: the connection is closed."""

    type: Literal["error"] = "error"
    code: ErrorCode
    message: str
    fatal: bool


class EndedMessage(ServerMessage):
    """The end of a session of so many ``seconds`` of sound.

    ``files``: addresses of its results by format. ``job``: if the session was kept; after a
    failure, the job analyses the sound.
    """

    type: Literal["ended"] = "ended"
    reason: EndReason
    seconds: float
    utterances: int
    job: str | None
    files: Mapping[str, str]


SERVER_MESSAGES: tuple[type[ServerMessage], ...] = (
    Started,
    SpeechStartedMessage,
    WordsMessage,
    UtteranceMessage,
    CorrectionMessage,
    StatsMessage,
    ErrorMessage,
    EndedMessage,
)
