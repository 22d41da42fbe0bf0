"""``mmerc licences`` and its list, compared with the installed packages."""

import importlib.metadata
import json
import re
from pathlib import Path

import pytest

from mmerc.errors import UsageError
from mmerc.licences import (
    _COMPONENTS,
    _describe_package,
    _read_licence,
    _required_packages,
    all_components,
    find_component,
    noncommercial_components,
)

ROOT = Path(__file__).parents[2]
NAMES = {
    "opensmile", "denseface", "mmerc-mini", "mmerc-mini-live", "mmerc-mini-text", "mmerc-mini-1",
    "mmerc-mini-live-1", "mmerc-goemotions", "mmerc-base",
    "minilm-l6", "whisper-tiny.en", "silero-vad", "speaker networks", "face networks",
    "mtcnn",
}  # fmt: skip
REFUSED = {
    "opensmile", "denseface", "mmerc-mini", "mmerc-mini-live", "mmerc-mini-1", "mmerc-base",
    "mmerc-mini-live-1",
}  # fmt: skip


def files_of(name):
    """Text of all files of an installed package that may state its terms."""
    expected = re.compile(r"licen[cs]e|METADATA|README", re.IGNORECASE)
    files = importlib.metadata.files(name)
    return "\n".join(f.read_text() for f in files if expected.search(f.name) and f.suffix != ".pyc")


def test_table_lists_every_component_once(done):
    out = done("licences").out
    for name in NAMES | {"mmerc", "torch", "numpy"}:
        assert len(re.findall(rf"^{re.escape(name)}  ", out, re.MULTILINE)) == 1, name
    forbidden = ", ".join(component.name for component in noncommercial_components())
    assert f"commercial use forbidden: {forbidden}" in out


def test_table_is_not_truncated(done):
    words = " ".join(done("licences").out.split())
    assert "audEERING Research License Agreement no LICENSE of the package opensmile" in words
    assert re.search(r"fastapi \S+ needed by the extra serve MIT yes", words)


def test_json_equals_the_table(done):
    outcome = done("licences", "--format", "json")
    parts = {entry["part"]: entry for entry in outcome.json["parts"]}
    assert set(parts) == {component.name for component in all_components()}
    assert parts["opensmile"]["commercial_use"] == "no"
    assert parts["silero-vad"]["commercial_use"] == "yes"
    assert parts["minilm-l6"]["commercial_use"] == "see terms"
    assert "MS MARCO" in parts["minilm-l6"]["condition"]
    assert parts["torch"]["version"] == importlib.metadata.version("torch")


def test_unknown_format_gives_a_one_sentence_error(mmerc):
    outcome = mmerc("licences", "--format", "xml")
    assert outcome.code == 2
    assert "xml" in outcome.sentence


def test_non_commercial_components_are_refused():
    assert {component.name for component in noncommercial_components()} == REFUSED


@pytest.mark.parametrize("name", sorted(NAMES))
def test_components_are_found_by_name(name):
    assert find_component(name).name == name
    assert find_component(name).commercial == (name not in REFUSED)


def test_unknown_component_error_lists_the_names():
    with pytest.raises(UsageError, match=r"'whisper-large'.*whisper-tiny\.en"):
        find_component("whisper-large")


def test_names_are_unique():
    names = [component.name for component in all_components()]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("opensmile", "audEERING Research License Agreement"),
        ("opensmile", "You may NOT use or distribute this Software"),
        ("minilm-l6", "license: apache-2.0"),
        ("minilm-l6", "MS MARCO"),
        ("whisper-tiny.en", "License: MIT"),
        ("silero-vad", "MIT License"),
        ("mtcnn", "MIT License"),
        ("av", "BSD-3-Clause"),
    ],
)
def test_installed_packages_match_the_list(name, words):
    if find_component(name).version is None:
        pytest.skip(f"{find_component(name).distribution} is not installed")
    assert words in files_of(find_component(name).distribution)


@pytest.mark.parametrize("name", ["LICENSE", "LICENSE-WEIGHTS"])
def test_licence_files_exist_where_listed(name):
    assert name in {component.terms for component in _COMPONENTS}
    assert (ROOT / name).is_file()


def test_every_package_that_users_need_is_listed():
    listed = {component.distribution for component in all_components()}
    needed = _required_packages()
    assert {"torch", "transformers", "opensmile"} <= set(needed) <= listed
    assert needed["torch"] == ""
    assert needed["opensmile"] == "media"
    assert needed["ray"] == "scale"
    assert not {"mmerc", "mkdocs-material"} & set(needed)
    assert "hypothesis" not in listed


def test_missing_package_is_reported():
    missing = _describe_package("mmerc-no-such-package", "serve")
    assert missing.version is None
    assert missing.licence == "not known: not installed"
    assert missing.commercial_use == "see terms"
    assert missing.purpose == "needed by the extra serve"


CLASSIFIER = "Classifier: License :: OSI Approved :: "


@pytest.mark.parametrize(
    ("lines", "licence", "use"),
    [
        (["License-Expression: MIT"], "MIT", "yes"),
        (["License-Expression: (MIT OR Apache-2.0)"], "(MIT OR Apache-2.0)", "yes"),
        (["License-Expression: MIT AND GPL-3.0-only"], "MIT AND GPL-3.0-only", "see terms"),
        (["License: Apache 2.0 License"], "Apache 2.0 License", "yes"),
        (["License: BSD-3-Clause", f"{CLASSIFIER}MIT License"], "BSD-3-Clause", "yes"),
        (["License: one", "        two", f"{CLASSIFIER}MIT License"], "MIT License", "yes"),
        ([f"{CLASSIFIER}BSD License"], "BSD License", "yes"),
        ([f"{CLASSIFIER}MIT License", f"{CLASSIFIER}GPL"], "MIT License; GPL", "see terms"),
        (["License: Mitigated Source 1.0"], "Mitigated Source 1.0", "see terms"),
        ([], "", "see terms"),
    ],
)
def test_licence_is_read_from_metadata(tmp_path, monkeypatch, lines, licence, use):
    folder = tmp_path / "pretended-1.0.dist-info"
    folder.mkdir()
    head = ["Metadata-Version: 2.4", "Name: pretended", "Version: 1.0"]
    (folder / "METADATA").write_text("\n".join([*head, *lines, ""]))
    monkeypatch.syspath_prepend(tmp_path)
    assert _read_licence(importlib.metadata.metadata("pretended")) == licence
    actual = _describe_package("pretended", "")
    assert (actual.version, actual.licence) == ("1.0", licence or "not stated")
    assert actual.commercial_use == use


def test_json_is_plain(done):
    text = done("licences", "--format", "json").out
    assert json.loads(text)["parts"][0] == {
        "part": "mmerc",
        "version": importlib.metadata.version("mmerc"),
        "what_for": "the code",
        "licence": "Apache-2.0",
        "commercial_use": "yes",
        "condition": "",
        "terms": "LICENSE",
    }
