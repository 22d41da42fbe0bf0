"""``mmerc worker``: run jobs of a service, on its machine or another."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mmerc.cli.analysis_options import CommercialOption, ModelOption
from mmerc.cli.job_options import (
    KeepOption,
    MaxJobOption,
    MaxMemoryOption,
    MaxRecordingOption,
    MaxSilentOption,
)

EXAMPLES = (
    "mmerc worker --jobs-folder /srv/mmerc",
    "MMERC_JOBS_DATABASE=postgresql://... mmerc worker --jobs-folder /srv/mmerc",
)


def worker(
    jobs_folder: Annotated[
        Path, typer.Option(help="Folder for job files, shared with the servers.")
    ],
    jobs_database: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            envvar="MMERC_JOBS_DATABASE",
            show_envvar=True,
            help="The servers' PostgreSQL database (default: SQLite in the jobs folder).",
        ),
    ] = None,
    model: ModelOption = None,
    commercial_only: CommercialOption = False,
    max_recording_minutes: MaxRecordingOption = 120,
    max_job_minutes: MaxJobOption = 240,
    max_silent_seconds: MaxSilentOption = 15,
    max_memory_gb: MaxMemoryOption = 8,
    keep_minutes: KeepOption = 60,
    max_running_jobs: Annotated[
        int, typer.Option(min=1, help="Maximum jobs that run in parallel.")
    ] = 1,
) -> None:
    """Run jobs of servers that share them.

    The servers run with --shared-jobs or --jobs-database. Give the same --model and limits.
    """
    from mmerc.errors import UsageError

    try:
        from mmerc.serving.job_worker import run_worker
        from mmerc.serving.settings import GIGABYTE, Settings
    except ModuleNotFoundError as error:
        raise UsageError(
            f"A worker needs {error.name}; install it with `pip install 'mmerc[serve]'`."
        ) from error
    run_worker(
        Settings(
            folder=jobs_folder,
            model=model,
            commercial_only=commercial_only,
            longest_recording=max_recording_minutes * 60,
            longest_job=max_job_minutes * 60,
            longest_silence=max_silent_seconds,
            memory=max_memory_gb * GIGABYTE,
            keep=keep_minutes * 60,
            max_running_jobs=max_running_jobs,
            shared=True,
            jobs_database=jobs_database,
        )
    )
