"""The page of an analysis: one file that loads nothing but the recording beside it."""

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
    """HTML with player, timeline, reasons and summary; the recording is expected beside it.

    Words of the recording are data, never markup: they are embedded as JSON without ``<`` and shown
    as text. The page's policy allows nothing but the recording to load and nothing but its own
    script to run.
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
    """Jinja's environment for the templates of mmerc's pages."""
    from jinja2 import Environment, PackageLoader, StrictUndefined  # not before it is needed

    environment = Environment(
        loader=PackageLoader("mmerc", ""),
        autoescape=True,
        undefined=StrictUndefined,
        keep_trailing_newline=True,
    )
    environment.policies["json.dumps_kwargs"] = {"separators": (",", ":")}
    return environment


def read_style() -> str:
    """The style sheet of analyses, which the service's page extends."""
    return read_base() + (files("mmerc.inference.page") / "page.css").read_text(encoding="utf-8")


def read_base() -> str:
    """The style sheet of all pages: colours, light and dark, text and buttons."""
    return (files("mmerc.inference.page") / "base.css").read_text(encoding="utf-8")


@cache
def _script() -> str:
    return bundle_modules(files("mmerc"), "inference/page/page.js")


def content_security_policy(*, style: str, script: str, media: bool = False) -> str:
    """Content Security Policy: this style and script and, with ``media``, files beside the page.

    ``file:`` because "self" means nothing for a page on disk.
    """
    return (
        f"default-src 'none'; {_MEDIA if media else ''}style-src {_source_hash(style)}; "
        f"script-src {_source_hash(script)}; base-uri 'none'; form-action 'none'"
    )


def _source_hash(text: str) -> str:
    """SHA-256 of a style or script, as a source of the policy."""
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"
