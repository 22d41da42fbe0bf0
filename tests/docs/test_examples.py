"""Every Python and shell example is executed, or a note above it says why not."""

import re
import shutil

import pytest
from documents import BLOCKS, EXECUTED, PAGES, ROOT, SHOWN, page_blocks

LONGEST_REASON = 100
# Runs of many hours on external corpora: published results and the training of shipped weights.
RECORDS = {ROOT / "docs" / name for name in ("results.md", "tables.md")} | {
    ROOT / "src/mmerc/features/denseface/README.md"
}
RUN = [block for block in BLOCKS if block.language in EXECUTED and block.reason is None]
OUT = re.compile(r"--out (\S+)")


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.name)
def test_every_block_has_a_language_and_runs_or_gives_a_reason(block):
    assert block.language in EXECUTED + SHOWN
    if block.reason is not None:
        assert block.language in EXECUTED
        assert 10 <= len(block.reason) <= LONGEST_REASON


def test_most_examples_are_executed(record_property):
    examples = [b for b in BLOCKS if b.language in EXECUTED and b.page not in RECORDS]
    executed = [block for block in examples if block.reason is None]
    record_property("executed", f"{len(executed)} of {len(examples)}")
    assert len(executed) >= 0.7 * len(examples)


@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if any(block.page == page for block in RUN)],
    ids=lambda page: str(page.relative_to(ROOT)),
)
def test_examples_of_a_page_run_in_order(page, sandbox, shell, start_server):
    blocks = [block for block in page_blocks(page) if block in RUN]
    if any("curl " in block.text for block in blocks):
        shell.port = start_server()
    for path in {path for block in blocks for path in OUT.findall(block.text)}:
        shutil.rmtree(sandbox / path, ignore_errors=True)  # created by the page itself
    names = {}
    for block in blocks:
        if block.language == "bash":
            shell.run(block.text, sandbox)
        elif block.language == "python":  # console blocks: tests/test_docs.py
            exec(compile(block.text, block.name, "exec"), names)


@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if not page.is_relative_to(ROOT / "src")],  # these are model cards
    ids=lambda page: str(page.relative_to(ROOT)),
)
def test_page_names_a_command_in_its_first_ten_lines(page):
    beginning = "\n".join(page.read_text().splitlines()[:10])
    assert re.search(r"\b(mmerc|python|make) ", beginning)
