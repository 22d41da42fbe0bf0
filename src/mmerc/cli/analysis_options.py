"""Options of commands that analyse recordings."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

ModelOption = Annotated[
    str | None, typer.Option(help="Run, model folder or Hub repository (default: mmerc-mini).")
]
CommercialOption = Annotated[
    bool,
    typer.Option(
        "--commercial-only", help="Use only components whose licence allows commercial use."
    ),
]
SpeakersOption = Annotated[
    str | None, typer.Option(help="Number of speakers: 2, or 2-4 (default: estimated).")
]
DiarizerOption = Annotated[
    Literal["mmerc", "pyannote", "channels"],
    typer.Option(help="How speakers are found (channels: one per channel)."),
]
FaceOption = Annotated[
    Literal["speaking", "largest", "all"],
    typer.Option(help="Whose face to use if there are several."),
]
WhisperOption = Annotated[
    str,
    typer.Option(
        help="Whisper model: tiny.en (included), base (99 languages), others, or a folder."
    ),
]
LanguageOption = Annotated[str | None, typer.Option(help="Spoken language as a code, such as en.")]
WorkersOption = Annotated[int | None, typer.Option(min=1, help="Number of processes.")]
