"""Settings of a live session."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class LiveSettings(BaseModel):
    """Settings of a live session.

    ``transcribe``: recognise words; otherwise they are passed to ``LiveSession.feed_words``.
    ``partial_words``: also report words before speech ends. ``pictures_per_second``: rate of face
    detection; pictures that arrive faster are dropped.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    transcribe: bool = True
    partial_words: bool = True
    pictures_per_second: float = Field(default=5.0, gt=0, le=25)
