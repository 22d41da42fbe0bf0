"""``mmerc study report``: write the report of a study."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

EXAMPLES = ("mmerc study report STUDY",)


def report(
    study: Annotated[Path, typer.Argument(help="Folder of a study (`mmerc analyze --out`).")],
) -> None:
    """Write the report of a study.

    Writes STUDY/report.html: one self-contained page without any spoken words. It uses
    measures.csv if that is up to date, and otherwise computes the measures.
    """
    from mmerc.studies.report.render import write_report

    print(write_report(study))
