"""A report as one page: no script, no network, nothing beside it."""

from __future__ import annotations

import base64
import hashlib
import html
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from mmerc.experiments.figures.style import Drawn
from mmerc.experiments.report.content import Report, Table


def as_page(report: Report, folder: Path) -> str:
    """HTML; ``folder`` holds the figures, which are put into it whole."""
    style = (files("mmerc.experiments.report") / "report.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'"
    title = html.escape(report.title)
    body = [
        f"<h1>{title}</h1>",
        *(f"<p>{html.escape(line)}</p>" for line in report.lines if line),
        "<ul class=remarks>",
        *(f"<li>{html.escape(remark)}</li>" for remark in report.remarks),
        "</ul>",
        *(figure_html(drawn, folder) for drawn in report.figures),
        *(table_html(table) for table in report.tables),
        *(figure_html(drawn, folder) for drawn in report.annex),
    ]
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>{style}</style>\n</head>\n<body>\n"
        + "\n".join(body)
        + "\n</body>\n</html>\n"
    )


def table_html(table: Table) -> str:
    """A table that scrolls by itself on a narrow screen."""
    head = "".join(f'<th scope="col">{html.escape(column)}</th>' for column in table.columns)
    rows = "".join(f"<tr>{row_html(row)}</tr>" for row in table.rows)
    return (
        f"<section><h2>{html.escape(table.title)}</h2><p class=quiet>{html.escape(table.note)}</p>"
        f"<div class=scroll tabindex=0><table><thead><tr>{head}</tr></thead>"
        f"<tbody>{rows}</tbody></table></div></section>"
    )


def row_html(row: Sequence[str]) -> str:
    """The first cell names the row."""
    cells = "".join(f"<td>{html.escape(cell)}</td>" for cell in row[1:])
    return f'<th scope="row">{html.escape(row[0])}</th>{cells}'


def figure_html(drawn: Drawn, folder: Path) -> str:
    """A figure as an image within the page, its data named below."""
    picture = base64.b64encode((folder / f"{drawn.name}.svg").read_bytes()).decode()
    says = html.escape(drawn.says)
    return (
        f"<section><h2>{html.escape(drawn.title)}</h2><figure><div class=scroll tabindex=0>"
        f'<img alt="{says}" src="data:image/svg+xml;base64,{picture}"></div>'
        f"<figcaption>{says} Data: figures/{drawn.name}.csv.</figcaption></figure></section>"
    )
