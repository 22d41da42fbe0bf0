"""The page of an analysis: one file that loads only the recording next to it."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from mmerc.files import encodable
from mmerc.inference.analysis import Analysis
from mmerc.inference.exports.tiers import one_line
from mmerc.inference.page.data import page_data
from mmerc.inference.page.scripts import bundle_modules

if TYPE_CHECKING:
    from jinja2 import Environment

_MEDIA = "media-src 'self' file:; "


def render_page(analysis: Analysis) -> str:
    """Render HTML with player, timeline, reasons and summary.

    The words of the recording are never markup: they are embedded as JSON without ``<`` and shown
    as text. The page's content security policy allows only the recording to load and only the
    page's own script to run.
    """
    style, script = read_style(), _script()
    return (
        page_environment()
        .get_template("inference/page/page.html")
        .render(
            policy=content_security_policy(style=style, script=script, media=True),
            title=encodable(one_line(analysis.recording)),
            style=style,
            script=script,
            analysis=page_data(analysis),
        )
    )


@cache
def page_environment() -> Environment:
    """Return the Jinja environment for mmerc's page templates."""
    from jinja2 import Environment, PackageLoader, StrictUndefined  # only when needed

    environment = Environment(
        loader=PackageLoader("mmerc", ""),
        autoescape=True,
        undefined=StrictUndefined,
        keep_trailing_newline=True,
    )
    environment.policies["json.dumps_kwargs"] = {"separators": (",", ":")}
    return environment


def read_style() -> str:
    """Read the style sheet for analyses, which the service's page extends."""
    return read_base() + (files("mmerc.inference.page") / "page.css").read_text(encoding="utf-8")


def read_base() -> str:
    """Read the style sheet of all pages: colours, light and dark, text and buttons."""
    return (files("mmerc.inference.page") / "base.css").read_text(encoding="utf-8")


@cache
def _script() -> str:
    return bundle_modules(files("mmerc"), "inference/page/page.js")


def content_security_policy(*, style: str, script: str, media: bool = False) -> str:
    """Build a Content Security Policy for a style, a script and, with ``media``, local files.

    ``file:`` is needed because "self" does not cover a page on disk.
    """
    return (
        f"default-src 'none'; {_MEDIA if media else ''}style-src {_source_hash(style)}; "
        f"script-src {_source_hash(script)}; base-uri 'none'; form-action 'none'"
    )


def _source_hash(text: str) -> str:
    """Return the SHA-256 of a style or script as a policy source."""
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"
