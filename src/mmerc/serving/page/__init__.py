"""The page of the service, styled like an analysis; no frameworks, no other hosts."""

from __future__ import annotations

from importlib.resources import files

from mmerc.inference.page.render import page_environment, read_style
from mmerc.inference.page.scripts import bundle_modules

PAGE = page_environment().get_template("serving/page/index.html").render()
STYLE = read_style() + (files("mmerc.serving.page") / "index.css").read_text(encoding="utf-8")
SCRIPT = bundle_modules(files("mmerc"), "serving/page/index.js")
CORRECTION_PAGE = page_environment().get_template("serving/page/correct.html").render()
CORRECTION_STYLE = read_style() + (files("mmerc.serving.page") / "correct.css").read_text(
    encoding="utf-8"
)
CORRECTION_SCRIPT = bundle_modules(files("mmerc"), "serving/page/correct.js")
