"""Models that come with mmerc."""

from __future__ import annotations

from pathlib import Path

DEFAULT_MODEL = "mmerc-mini"
BASE_MODEL = "mmerc-base"  # needs MPNet (`mmerc weights install mpnet-base`)
TEXT_MODEL = "mmerc-mini-text"
LIVE_MODEL = "mmerc-mini-live"
FORMER_MODEL = "mmerc-mini-1"  # the previous default model, on IS10 and denseface vectors
FORMER_LIVE_MODEL = "mmerc-mini-live-1"
COMMENTS_MODEL = "mmerc-goemotions"  # the others are trained from its text encoder
_EMBEDDED_MODELS = (
    DEFAULT_MODEL,
    BASE_MODEL,
    TEXT_MODEL,
    LIVE_MODEL,
    FORMER_MODEL,
    FORMER_LIVE_MODEL,
    COMMENTS_MODEL,
)
_EMBEDDED_FOLDER = Path(__file__).parent / "embedded"


def find_embedded_model(name: str) -> Path | None:
    """Return the folder of a model that comes with mmerc; None for any other name."""
    return _EMBEDDED_FOLDER / name if name in _EMBEDDED_MODELS else None


def choose_model(source: str | Path | None, *, commercial_only: bool, live: bool) -> str:
    """Return ``source``, or the name of the default model."""
    default = LIVE_MODEL if live else DEFAULT_MODEL
    return str(source or (TEXT_MODEL if commercial_only else default))
