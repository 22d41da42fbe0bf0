"""Serve the page for correcting an analysis or labelling a sample."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mmerc.cli.output import remark
from mmerc.errors import UsageError

PagePortOption = Annotated[
    int, typer.Option(min=0, max=65535, help="Port of the page, 0 for any free one.")
]


def serve_correction_page(analysis: Path, *, port: int, blind: bool = False) -> None:
    """Serve the page until stopped; UsageError without the required packages."""
    try:
        from mmerc.serving.correction_server import serve_analysis
    except ModuleNotFoundError as error:
        raise UsageError(
            f"The page needs {error.name}; install it with `pip install 'mmerc[serve]'`."
        ) from error
    serve_analysis(
        analysis, port=port,
        announce=lambda actual: remark(
            f"mmerc: http://127.0.0.1:{actual}/{'?blind' if blind else ''} (Ctrl+C to stop)"
        ),
    )  # fmt: skip
