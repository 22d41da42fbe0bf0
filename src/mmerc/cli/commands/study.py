"""``mmerc study``: describe a study, measure it, and report on it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mmerc.cli.commands import study_measures, study_report
from mmerc.cli.options import CommandGroup, examples_epilog
from mmerc.cli.output import printable, remark

app = typer.Typer(cls=CommandGroup, help="Studies of many recordings.", rich_markup_mode=None)


@app.command(epilog=examples_epilog("mmerc study init interviews"))
def init(
    folder: Annotated[Path, typer.Argument(help="Folder with the recordings of the study.")],
) -> None:
    """Write study.yaml for a folder's recordings.

    Lists every recording with its files. You fill in participants, conditions
    and other columns; see docs/studies.md. An existing study.yaml is never replaced.
    """
    from mmerc.studies.new_study import write_study_file

    path, remarks = write_study_file(folder)
    for line in remarks:
        remark(f"note: {line}")
    print(printable(path))


app.command(epilog=examples_epilog(*study_measures.EXAMPLES))(study_measures.measures)
app.command(epilog=examples_epilog(*study_report.EXAMPLES))(study_report.report)
