"""A report as Markdown."""

from __future__ import annotations

from mmerc.experiments.figures.style import Drawn
from mmerc.experiments.report.content import Report, Table


def as_markdown(report: Report) -> str:
    """Title, what a reader must know, tables, figures with their data."""
    remarks = "\n".join(f"- {remark}" for remark in report.remarks)
    parts = [f"# {report.title}", *report.lines, remarks, *map(figure_text, report.figures)]
    for table in report.tables:
        parts += [f"## {table.title}", table.note, table_text(table)]
    parts += map(figure_text, report.annex)
    return "\n\n".join(part for part in parts if part) + "\n"


def figure_text(drawn: Drawn) -> str:
    """A figure with what it says, and where its data lies."""
    place = f"figures/{drawn.name}"
    links = f"[SVG]({place}.svg), [data]({place}.csv)"
    return f"## {drawn.title}\n\n![{drawn.says}]({place}.png)\n\n{drawn.says} {links}"


def table_text(table: Table) -> str:
    """A table of Markdown; bars within cells are escaped."""
    lines = [table.columns, tuple("---" for _ in table.columns), *table.rows]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines
    )
