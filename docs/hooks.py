"""Model cards lie beside their weights; the site shows them too, and links lead to them there."""

from __future__ import annotations

import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
CARDS = {
    path.parent.name: path.read_text(encoding="utf-8")
    for path in sorted((ROOT / "src" / "mmerc").rglob("README.md"))
}
CARD = re.compile(r"\]\(\.\./src/mmerc/(?:\w+/)+([\w-]+)/README\.md")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add a page for each card."""
    for name, text in CARDS.items():
        files.append(File.generated(config, f"cards/{name}.md", content=text))
    return files


def on_page_markdown(markdown: str, **_: object) -> str:
    """Lead from a page to the cards on the site."""
    return CARD.sub(r"](cards/\1.md", markdown)
