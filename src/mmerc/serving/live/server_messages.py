"""Server messages: events of a live session, and the state of the connection."""

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

    Events are numbered consecutively from 1 and sent again after a resume. All other messages
    (``started``, ``stats``, ``words`` that are not final, an ``error`` about the connection or the
    format of a message) repeat the number of the previous event.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    version: Literal[1] = PROTOCOL_VERSION
    sequence: Annotated[int, Field(ge=0)] = 0


class EmotionLabel(BaseModel):
    """An emotion with its colour and a readable text colour."""

    name: str
    colour: str
    ink: str


class SessionLimits(BaseModel):
    """Limits of a session; sizes in bytes, times in seconds.

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
    """A started or resumed session; send its sound from byte ``received`` on."""

    type: Literal["started"] = "started"
    session: str
    resumed: bool
    received: int
    model: str
    labels: list[EmotionLabel]
    limits: SessionLimits


class SpeechStartedMessage(ServerMessage):
    """Speech started ``time`` seconds after the first sample."""

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

    Until ``final``, later words replace those with the same ``start``.
    """

    type: Literal["words"] = "words"
    start: float
    end: float
    text: str
    words: tuple[RecognisedWord, ...]
    final: bool


class PredictedUtterance(BaseModel):
    """An utterance and its emotion; ``index`` counts from 1 and is its id in the results.

    ``effects`` and ``context_effect``: decrease of the probability of ``emotion`` without a
    modality or the context. ``modalities`` were used; ``absent``: why the others were not.
    ``overlap``: share of its duration (0 to 1) during which another speaker talks.
    ``doubtful_places``: spans (start, end) of ``text``, in characters, of which the transcriber was
    unsure. ``doubtful_label``: why ``emotion`` is doubtful.
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
    overlap: float | None
    doubtful_places: tuple[tuple[int, int], ...]
    doubtful_label: str | None


class UtteranceMessage(ServerMessage, PredictedUtterance):
    """A new utterance and its emotion."""

    type: Literal["utterance"] = "utterance"


class CorrectionMessage(ServerMessage):
    """A change of a reported utterance due to later speech.

    ``utterance`` replaces the one with the same ``index``; null withdraws it.
    """

    type: Literal["correction"] = "correction"
    index: int
    reason: Literal["words", "speaker"]
    utterance: PredictedUtterance | None


class StatsMessage(ServerMessage):
    """Progress of the service; ``received`` bytes of sound need not be sent again.

    ``seconds``: analysed sound. ``behind``: queued sound in seconds. ``real_time_factor``:
    computing time per second of sound; above 1, the session falls behind.
    """

    type: Literal["stats"] = "stats"
    received: int
    seconds: float
    behind: float
    real_time_factor: float | None
    dropped_frames: int


class ErrorMessage(ServerMessage):
    """An error and its fix; ``fatal``: the connection is closed."""

    type: Literal["error"] = "error"
    code: ErrorCode
    message: str
    fatal: bool


class EndedMessage(ServerMessage):
    """The end of a session with ``seconds`` of sound.

    ``files``: URLs of its results by format. ``job``: the job that stores it, if ``keep`` was set;
    after a failure, the job analyses the sound.
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
