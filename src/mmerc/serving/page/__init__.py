"""The page of the service, in the looks of an analysis: no framework, no other host."""

from __future__ import annotations

from importlib.resources import files

from mmerc.inference.page.render import part


def own(name: str) -> str:
    """Text of a file that stands beside this module."""
    return (files("mmerc.serving.page") / name).read_text(encoding="utf-8")


PAGE = own("index.html")
STYLE = part("page.css") + own("index.css")
SCRIPT = part("elements.js") + own("requests.js") + own("index.js")
