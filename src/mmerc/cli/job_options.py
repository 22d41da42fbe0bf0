"""Options of commands that run a service's jobs."""

from __future__ import annotations

from typing import Annotated

import typer

MaxRecordingOption = Annotated[float, typer.Option(min=0.1, help="Maximum length of a recording.")]
MaxJobOption = Annotated[float, typer.Option(min=0.1, help="Maximum run time of a job.")]
MaxSilentOption = Annotated[
    float, typer.Option(min=1, help="Replace a worker that is silent for this long.")
]
MaxMemoryOption = Annotated[
    int, typer.Option(min=1, help="Maximum memory of each process of a job.")
]
KeepOption = Annotated[float, typer.Option(min=0.1, help="Delete a job's files after this time.")]
