"""The page of an analysis: one file that asks for nothing but the recording beside it."""

from __future__ import annotations

import base64
import hashlib
import html
import json
from importlib.resources import files
from string import Template

from mmerc.inference.analysis import Analysis
from mmerc.inference.exports.tiers import one_line
from mmerc.inference.page.data import page_data

SCRIPTS = ("elements.js", "details.js", "speakers.js", "timeline.js", "utterances.js", "page.js")


def render_page(analysis: Analysis) -> str:
    """HTML with player, timeline, reasons and summary; the recording is expected beside it.

    What was said is data and never markup: it travels as JSON without ``<`` and is shown as text.
    The page's policy lets nothing load but the recording and nothing run but its own script.
    """
    style, script = part("page.css"), "".join(map(part, SCRIPTS))
    return Template(part("page.html")).substitute(
        policy=policy(style=style, script=script),
        title=html.escape(one_line(analysis.recording).encode("utf-8", "replace").decode("utf-8")),
        style=style,
        script=script,
        data=json.dumps(page_data(analysis), separators=(",", ":")).replace("<", "\\u003c"),
    )


def part(name: str) -> str:
    """Text of a file that stands beside this module."""
    return (files("mmerc.inference.page") / name).read_text(encoding="utf-8")


def policy(*, style: str, script: str) -> str:
    """Content Security Policy; ``file:`` because "self" means nothing for a page on disk."""
    return (
        f"default-src 'none'; media-src 'self' file:; style-src {digest(style)}; "
        f"script-src {digest(script)}; base-uri 'none'; form-action 'none'"
    )


def digest(text: str) -> str:
    """SHA-256 of a style or script as a policy's source."""
    value = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(value).decode()}'"
