"""``mmerc serve``: the service and its page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mmerc.cli.output import remark

EXAMPLES = "Examples: mmerc serve; MMERC_API_KEY=... mmerc serve --host 0.0.0.0 --name mmerc.lan"
KEY = "MMERC_API_KEY"


def serve(
    host: Annotated[str, typer.Option(help="Address to listen at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen at.")] = 8000,
    name: Annotated[
        list[str] | None,
        typer.Option(help="Host name under which browsers may come (behind a proxy, say)."),
    ] = None,
    folder: Annotated[
        Path | None, typer.Option(help="Folder of the jobs (default: in mmerc's cache).")
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="Run or model folder, or Hub repository (else mmerc-mini).")
    ] = None,
    commercial_only: Annotated[
        bool, typer.Option("--commercial-only", help="Only parts that allow commercial use.")
    ] = False,
    megabytes: Annotated[int, typer.Option(min=1, help="Largest upload.")] = 2048,
    minutes: Annotated[float, typer.Option(min=0.1, help="Longest recording.")] = 120,
    job_minutes: Annotated[float, typer.Option(min=0.1, help="Longest analysis.")] = 240,
    memory: Annotated[int, typer.Option(min=1, help="Gigabytes for a process of a job.")] = 8,
    keep: Annotated[float, typer.Option(min=0.1, help="Minutes until a job's files go.")] = 60,
    waiting: Annotated[int, typer.Option(min=1, help="Jobs that are taken at a time.")] = 16,
    parallel: Annotated[int, typer.Option(min=1, help="Jobs that are worked at a time.")] = 1,
) -> None:
    """Serve the page, jobs and predictions on this computer alone, or where --host says.

    Where MMERC_API_KEY is set in the environment, whoever asks must show it.
    """
    import os

    # Before torch is there. Its threads wait for each other at every product; waiting busily, while
    # other work holds one of them up, made predictions ten times slower (benchmarks/).
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

    from mmerc.caching import cache_folder
    from mmerc.errors import UsageError

    try:
        from mmerc.serving.server import serve as run
        from mmerc.serving.settings import GIGABYTE, LOOPBACK, Settings
    except ModuleNotFoundError as error:
        raise UsageError(
            f"The service needs {error.name}; pip install 'mmerc[serve]' brings it."
        ) from error
    key = os.environ.get(KEY) or None
    local = host in LOOPBACK
    if not local and key is None:
        remark(f"note: anybody who reaches {host} may use the service; set {KEY} to ask for a key.")
    hosts = (*LOOPBACK, *(name or ())) if local or name else None
    settings = Settings(
        folder=folder or cache_folder() / "serve",
        model=model,
        commercial_only=commercial_only,
        key=key,
        hosts=hosts,
        largest_upload=megabytes * 2**20,
        longest_recording=minutes * 60,
        longest_job=job_minutes * 60,
        memory=memory * GIGABYTE,
        keep=keep * 60,
        waiting=waiting,
        parallel=parallel,
        example=example_film(),
    )
    remark(f"mmerc: http://{f'[{host}]' if ':' in host else host}:{port}")
    run(settings, host=host, port=port)


def example_film() -> Path | None:
    """The example film where mmerc runs from its source; a package does not carry it."""
    import mmerc

    film = Path(mmerc.__file__).parents[2] / "examples" / "photograph.mp4"
    return film if film.is_file() else None
