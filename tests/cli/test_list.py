"""``mmerc list``: what is installed, and which package provides it."""

import pytest

KNOWN = {
    "models": "df-erc",
    "extractors": "is10",
    "corpora": "meld",
    "targets": "df-erc-table1",
    "recipes": "demo",
}


@pytest.mark.parametrize(("kind", "name"), KNOWN.items())
def test_list_shows_names_summaries_and_packages(mmerc, kind, name):
    outcome = mmerc("list", kind, "--json")
    assert (outcome.code, outcome.err) == (0, "")
    entry = outcome.json[name]
    assert entry["package"] == "mmerc"
    assert len(entry["summary"]) > 10
    assert name in mmerc("list", kind).out


def test_unknown_kind_is_refused(mmerc):
    outcome = mmerc("list", "papers")
    assert outcome.code == 2
    assert "corpora" in outcome.sentence
