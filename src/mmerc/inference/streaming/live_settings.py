"""Settings of a live session."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class LiveSettings(BaseModel):
    """How a session listens and looks.

    ``transcribe``: recognise the words; otherwise they come by ``LiveSession.feed_words``.
    ``partial_words``: also report words while speech goes on. ``pictures_per_second``: how often
    faces are looked for; pictures that come faster are dropped.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    transcribe: bool = True
    partial_words: bool = True
    pictures_per_second: float = Field(default=5.0, gt=0, le=25)
