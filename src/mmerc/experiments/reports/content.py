"""The content of a report, written as one HTML page and as Markdown."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from mmerc.experiments.plots.style import Plot
from mmerc.files import write_text


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportTable:
    """A table of text cells; the first cell of a row names it."""

    title: str
    note: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportContent:
    """A report in order: title, lines, remarks, plots, tables, and an appendix of plots."""

    title: str
    lines: tuple[str, ...]
    remarks: tuple[str, ...]
    plots: tuple[Plot, ...]
    tables: tuple[ReportTable, ...]
    appendix: tuple[Plot, ...] = ()


def write_report(content: ReportContent, folder: Path) -> None:
    """Write report.html, report.md and figures/ into ``folder``."""
    for plot in (*content.plots, *content.appendix):
        plot.save(folder / "figures")
    write_text(folder / "report.md", render_markdown(content))
    write_text(folder / "report.html", _render_page(content, folder / "figures"))


def render_markdown(content: ReportContent) -> str:
    """Render Markdown that links the figures and their data."""
    return _templates().get_template("report.md.j2").render(report=content)


def _render_page(content: ReportContent, figures: Path) -> str:
    """Render a page without scripts or network; it embeds the SVG files in ``figures``."""
    style = (files("mmerc.experiments.reports") / "report.css").read_text(encoding="utf-8")
    pictures = {
        plot.name: _base64((figures / f"{plot.name}.svg").read_bytes())
        for plot in (*content.plots, *content.appendix)
    }
    return (
        _templates()
        .get_template("report.html.j2")
        .render(
            report=content,
            pictures=pictures,
            style=style,
            style_hash=_base64(hashlib.sha256(style.encode()).digest()),
        )
    )


def _templates() -> Environment:
    return Environment(
        loader=PackageLoader("mmerc.experiments", "reports"),
        autoescape=select_autoescape(enabled_extensions=("html.j2",)),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
    )


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
