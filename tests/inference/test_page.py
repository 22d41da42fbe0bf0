"""The page of an analysis, as text."""

import base64
import hashlib
import html
import itertools
import json
import re
from collections import Counter
from dataclasses import replace
from importlib.resources import files

import pytest
from talk import ANALYSIS, EVIL, PREDICTIONS, contrast, with_times

from mmerc.inference.page.data import _luminance, _text_colour, page_data
from mmerc.inference.page.render import render_page
from mmerc.inference.page.scripts import bundle_modules
from mmerc.labels import LABEL_SETS, PALETTE, LabelSet


def data_in(page):
    (text,) = re.findall(r'<script id="data" type="application/json">(.*?)</script>', page, re.S)
    return json.loads(text)


def test_text_cannot_close_the_data_block():
    evil = replace(ANALYSIS, recording=EVIL, model=EVIL, remarks=(EVIL,), predictions=())
    page = render_page(evil)
    assert page.count("<script") == page.count("</script>") == 2
    assert data_in(page)["remarks"] == [EVIL]
    (title,) = re.findall("<title>(.*?)</title>", page)
    assert html.unescape(title) == EVIL and "<" not in title
    assert page.isascii() or "😊" in page


def test_policy_allows_only_this_script_and_style():
    page = render_page(ANALYSIS)
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    script = page.split('<script type="module">')[1].split("</script>")[0]
    style = page.split("<style>")[1].split("</style>")[0]
    for kind, text in (("script", script), ("style", style)):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy and "http" not in policy
    assert not re.search(r"""(?:src|href)=|url\(|@import|https?:""", page)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a b#1?.mp4", "./a%20b%231%3F.mp4"),
        ("javascript:alert(1)", "./javascript%3Aalert%281%29"),
        ("//evil.example/x.mp4", "./%2F%2Fevil.example%2Fx.mp4"),
        ("été.mp4", "./%C3%A9t%C3%A9.mp4"),
        ("\udce9.mp4", "./%E9.mp4"),  # a name on disk that is not UTF-8
    ],
)
def test_recording_is_expected_next_to_the_page(name, expected):
    assert page_data(replace(ANALYSIS, recording=name))["media"] == expected
    assert render_page(replace(ANALYSIS, recording=name)).encode()


def test_page_contains_times_and_layers():
    utterances = page_data(with_times((0, 4), (1, 2), (None, None), (3, 3)))["utterances"]
    assert [item["layer"] for item in utterances] == [0, 0, None, None]
    own = replace(PREDICTIONS[0], id="again", start=1, end=2)
    created = replace(ANALYSIS, predictions=(replace(PREDICTIONS[0], start=0, end=4), own))
    assert [item["layer"] for item in page_data(created)["utterances"]] == [0, 1]


@pytest.mark.parametrize(
    "colour", [*PALETTE, *itertools.chain(*(s.colours for s in LABEL_SETS.values()))]
)
def test_names_are_readable_on_every_colour(colour):
    assert contrast(colour, _text_colour(colour)) >= 4.5


def test_luminance_equals_the_standard():
    assert _luminance("#ffffff") == pytest.approx(1)
    assert _luminance("#ff0000") == pytest.approx(0.2126)
    assert _luminance("#808080") == pytest.approx(0.2158605)


def test_invalid_colour_is_replaced():
    odd = LabelSet("odd", ("a", "b"), ("red; background: url(//x)", "#00ff00"))
    created = replace(ANALYSIS, labels=odd, predictions=())
    assert [item["colour"] for item in page_data(created)["labels"]] == [PALETTE[0], "#00ff00"]


# One script of several modules


def test_modules_are_bundled_once_after_their_imports(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    (tmp_path / "a" / "base.js").write_text("/** One. */\nexport const one = 1;\n")
    (tmp_path / "a" / "twice.js").write_text(
        'import { one } from "./base.js";\n\nexport function twice() {\n  return 2 * one;\n}\n'
    )
    (tmp_path / "b" / "page.js").write_text(
        'import {\n  twice,\n} from "../a/twice.js";\nimport { one } from "../a/base.js";\n\n'
        'log(twice(), one, "export");\n'
    )
    lines = [line for line in bundle_modules(tmp_path, "b/page.js").splitlines() if line]
    assert lines == [
        "const one = 1;",
        "function twice() {", "  return 2 * one;", "}",
        'log(twice(), one, "export");',
    ]  # fmt: skip


@pytest.mark.parametrize("entry", ["inference/page/page.js", "serving/page/index.js"])
def test_modules_of_a_page_share_no_names(entry):
    script = bundle_modules(files("mmerc"), entry)
    names = re.findall(r"^(?:async )?(?:function|class|const|let) (\w+)", script, re.MULTILINE)
    names += re.findall(r"^(?:const|let) \{ (\w+) \}", script, re.MULTILINE)
    assert [name for name, uses in Counter(names).items() if uses > 1] == []
    assert not re.search(r"^(?:import|export) ", script, re.MULTILINE)
