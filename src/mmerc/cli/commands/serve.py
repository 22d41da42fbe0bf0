"""``mmerc serve``: serve the web page and the HTTP API."""

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
from mmerc.cli.output import remark

EXAMPLES = (
    "mmerc serve",
    "MMERC_API_KEY=... mmerc serve --host 0.0.0.0 --allow-host mmerc.lan",
)
_KEY = "MMERC_API_KEY"


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on.")] = 8000,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Accept requests for this host name (repeatable)."),
    ] = None,
    root_path: Annotated[
        str, typer.Option(metavar="PREFIX", help="Path prefix that a proxy adds (such as /mmerc).")
    ] = "",
    jobs_folder: Annotated[
        Path | None, typer.Option(help="Folder for job files (default: in mmerc's cache).")
    ] = None,
    model: ModelOption = None,
    commercial_only: CommercialOption = False,
    live_model: Annotated[
        str | None, typer.Option(help="Model of live sessions (default: mmerc-mini-live).")
    ] = None,
    max_live_sessions: Annotated[
        int, typer.Option(min=0, help="Maximum live sessions at a time (0: none are offered).")
    ] = 4,
    max_live_minutes: Annotated[
        float, typer.Option(min=0.1, help="Maximum length of a live session.")
    ] = 120,
    max_live_silence_minutes: Annotated[
        float, typer.Option(min=0.1, help="End a live session after this long without speech.")
    ] = 10,
    max_upload_mb: Annotated[int, typer.Option(min=1, help="Maximum size of an upload.")] = 2048,
    max_recording_minutes: MaxRecordingOption = 120,
    max_job_minutes: MaxJobOption = 240,
    max_silent_seconds: MaxSilentOption = 15,
    max_memory_gb: MaxMemoryOption = 8,
    keep_minutes: KeepOption = 60,
    max_jobs: Annotated[int, typer.Option(min=1, help="Maximum unfinished jobs.")] = 16,
    max_running_jobs: Annotated[
        int, typer.Option(min=0, help="Maximum jobs that run in parallel (0: workers run them).")
    ] = 1,
    shared_jobs: Annotated[
        bool,
        typer.Option("--shared-jobs", help="Share the jobs folder with other servers and workers."),
    ] = False,
    jobs_database: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            envvar="MMERC_JOBS_DATABASE",
            show_envvar=True,
            help="Share the jobs through a PostgreSQL database (postgresql://...).",
        ),
    ] = None,
) -> None:
    """Serve the web page and the HTTP API.

    Only this computer can connect, unless --host says otherwise. If MMERC_API_KEY is set in the
    environment, clients must send it.
    """
    import os

    # Set before torch is imported. Its threads synchronise at every matrix product; busy waiting
    # for a delayed thread made predictions ten times slower (benchmarks/).
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

    from mmerc.caching import cache_folder
    from mmerc.errors import UsageError

    try:
        from mmerc.serving.live.live_limits import LiveLimits
        from mmerc.serving.server import run_server
        from mmerc.serving.settings import GIGABYTE, LOOPBACK, Settings, normalise_root_path
    except ModuleNotFoundError as error:
        raise UsageError(
            f"The service needs {error.name}; install it with `pip install 'mmerc[serve]'`."
        ) from error
    shared = shared_jobs or jobs_database is not None
    if max_running_jobs == 0 and not shared:
        raise UsageError("--max-running-jobs 0 leaves jobs to workers; pass --shared-jobs too.")
    key = os.environ.get(_KEY) or None
    local = host in LOOPBACK
    if not local and key is None:
        remark(
            f"note: anyone who can reach {host} may use the service; set {_KEY} to require a key."
        )
    hosts = (*LOOPBACK, *(allow_host or ())) if local or allow_host else None
    settings = Settings(
        folder=jobs_folder or cache_folder() / "serve",
        model=model,
        commercial_only=commercial_only,
        key=key,
        hosts=hosts,
        root_path=normalise_root_path(root_path),
        largest_upload=max_upload_mb * 2**20,
        longest_recording=max_recording_minutes * 60,
        longest_job=max_job_minutes * 60,
        longest_silence=max_silent_seconds,
        memory=max_memory_gb * GIGABYTE,
        keep=keep_minutes * 60,
        max_jobs=max_jobs,
        max_running_jobs=max_running_jobs,
        shared=shared,
        jobs_database=jobs_database,
        example=_example_film(),
        live_model=live_model,
        live=LiveLimits(
            sessions=max_live_sessions,
            longest=max_live_minutes * 60,
            longest_silence=max_live_silence_minutes * 60,
        ),
    )
    remark(f"mmerc: http://{f'[{host}]' if ':' in host else host}:{port}")
    run_server(settings, host=host, port=port)


def _example_film() -> Path | None:
    """Return the example film if mmerc runs from source; packages do not contain it."""
    import mmerc

    film = Path(mmerc.__file__).parents[2] / "examples" / "photograph.mp4"
    return film if film.is_file() else None
