"""Pages of the documentation and their fenced blocks."""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    path
    for pattern in ("*.md", "docs/**/*.md", "examples/**/*.md", "src/**/*.md")
    for path in ROOT.glob(pattern)
    if path.name != "CHANGELOG.md"  # describes earlier versions
)
FENCE = re.compile(r"^( *)```([\w-]*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
REASON = re.compile(r"<!-- not run: (.+) -->\s*$")
EXECUTED = ("bash", "console", "python")
SHOWN = ("text", "json", "yaml", "dockerfile", "nginx", "toml")


@dataclass(frozen=True)
class Block:
    page: Path
    language: str
    text: str
    reason: str | None  # the reason for not running it

    @property
    def name(self):
        return f"{self.page.relative_to(ROOT)}: {self.text.strip().splitlines()[0][:60]}"


def page_blocks(page):
    """The fenced blocks of a page, in order and without indentation."""
    content = page.read_text(encoding="utf-8")
    for match in FENCE.finditer(content):
        indent, language, text = match.groups()
        reason = REASON.search(content[: match.start()])
        text = "".join(line.removeprefix(indent) for line in text.splitlines(keepends=True))
        yield Block(page, language, text, reason and reason[1])


BLOCKS = [block for page in PAGES for block in page_blocks(page)]
