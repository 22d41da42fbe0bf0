"""``mmerc.train``: recipes and corpora in every form."""

import pytest
import yaml

import mmerc
from mmerc.errors import UsageError


def ignore_progress(line):
    """Take a line of progress."""


@pytest.fixture(autouse=True)
def own_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("MMERC_CACHE", str(tmp_path / "cache"))


def test_recipe_and_corpus_in_memory_or_in_files(tiny_recipe, small_corpus, finished, tmp_path):
    small_corpus.save(tmp_path / "corpus")
    path = tmp_path / "own.yaml"
    path.write_text(yaml.safe_dump(tiny_recipe().model_dump(mode="json")))
    results = [
        mmerc.train(recipe, corpus, tmp_path / out, cache=False, report=ignore_progress)
        for out, recipe, corpus in (
            ("memory", tiny_recipe(), small_corpus),
            ("files", path, str(tmp_path / "corpus")),
        )
    ]
    assert results[0]["seeds"] == results[1]["seeds"] == finished[1]["seeds"]
    assert not (tmp_path / "cache").exists()


def test_changes_apply_to_files(tiny_recipe, small_corpus, tmp_path):
    path = tmp_path / "own.yaml"
    path.write_text(yaml.safe_dump(tiny_recipe().model_dump(mode="json")))
    result = mmerc.train(
        path,
        small_corpus,
        str(tmp_path / "run"),
        changes=["training.epochs=1"],
        report=ignore_progress,
    )
    assert result["seeds"][0]["epoch"] == 0
    assert len(list((tmp_path / "cache" / "runs").iterdir())) == 1
    with pytest.raises(UsageError, match="Changes apply to the name or file"):
        mmerc.train(tiny_recipe(), small_corpus, tmp_path / "x", changes=["training.epochs=1"])
    assert not (tmp_path / "x").exists()
