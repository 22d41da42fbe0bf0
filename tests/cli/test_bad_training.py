import shutil

import pytest
from folders import assert_files

from short_films import small_disk


@pytest.mark.parametrize(
    ("options", "code", "named"),
    [
        (["--recipe", "none"], 2, "none"),
        (["--recipe", "none.yaml"], 1, "none.yaml"),
        (["--set", "training.epoch=3"], 2, "training.epoch"),
        (["--set", "model.alpha=3"], 2, "alpha"),
        (["--set", "epochs"], 2, "key.key=value"),
        (["--set", "model.name=df-ecr"], 2, "df-ecr"),
        (["--set", "model.ablations=[-CFM,-CFM+Att]"], 2, "exclude"),
        (["--set", "model.text_encoder.name=/none"], 1, "/none"),
        (["--corpus", "/none"], 1, "/none"),
        (["--corpus", "/tmp"], 1, "/tmp"),
        (["--accelerator", "abacus"], 2, "abacus"),
        (["--accelerator", "tpu"], 2, "tpu"),
        (["--accelerator", "gpu", "--devices", "999"], 1, "--accelerator gpu --devices 999"),
    ],
)
def test_invalid_training_calls_are_refused(
    mmerc, trimodal_corpus, small_recipe, tmp_path, options, code, named
):
    arguments = ("--recipe", small_recipe, "--corpus", trimodal_corpus)
    outcome = mmerc("train", *arguments, *options, "--out", tmp_path / "out")
    assert (outcome.code, outcome.out) == (code, "")
    assert named in outcome.sentence
    assert_files(tmp_path, [])


def test_corpus_without_a_split_or_modality(
    mmerc, done, write_manifest, conversations, small_recipe, tmp_path
):
    seen = [item for item in conversations if item["split"] != "valid"]
    done("prepare", "manifest", write_manifest(tmp_path / "a.jsonl", seen), "--out", tmp_path / "a")
    text = [
        c | {"utterances": [u | {"features": {"text": [1, 2]}} for u in c["utterances"]]}
        for c in conversations
    ]
    done("prepare", "manifest", write_manifest(tmp_path / "b.jsonl", text), "--out", tmp_path / "b")
    for corpus, named in {"a": "valid", "b": "audio"}.items():
        arguments = ("--recipe", small_recipe, "--corpus", tmp_path / corpus)
        outcome = mmerc("train", *arguments, "--out", tmp_path / "out")
        assert outcome.code == 1
        assert named in outcome.sentence
        assert_files(tmp_path, ["a.jsonl", "a", "b.jsonl", "b"])


@pytest.mark.parametrize("part", ["corpus.json", "utterances.parquet", "features"])
@pytest.mark.parametrize("how", ["missing", "truncated", "changed"])
def test_damaged_corpus(mmerc, trimodal_corpus, small_recipe, tmp_path, part, how):
    shutil.copytree(trimodal_corpus, tmp_path / "corpus")
    damaged = tmp_path / "corpus" / part
    if part == "features":
        damaged = sorted(damaged.rglob("*.parquet"))[0]
    content = damaged.read_bytes()
    if how == "missing":
        damaged.unlink()
    elif how == "truncated":
        damaged.write_bytes(content[: len(content) // 2])
    elif part == "corpus.json":
        damaged.write_bytes(content.replace(b'"calm"', b'"clam"'))
    else:
        middle = len(content) // 3
        damaged.write_bytes(content[:middle] + bytes(64) + content[middle + 64 :])
    arguments = ("--recipe", small_recipe, "--corpus", tmp_path / "corpus")
    outcome = mmerc("train", *arguments, "--out", tmp_path / "out")
    assert outcome.code == 1
    assert str(tmp_path / "corpus") in outcome.sentence
    assert_files(tmp_path, ["corpus"])


# A full disk

ROOM = 6000  # bytes per file


def test_full_disk_while_preparing(mmerc, write_manifest, conversations, tmp_path):
    many = [item | {"id": f"{item['id']}-{i}"} for item in conversations for i in range(40)]
    file = write_manifest(tmp_path / "my.jsonl", many)
    with small_disk(ROOM):
        outcome = mmerc("prepare", "manifest", file, "--out", tmp_path / "out")
    assert (outcome.code, outcome.out) == (1, "")
    assert "cannot be written" in outcome.sentence
    assert str(tmp_path / "out") in outcome.sentence
    assert_files(tmp_path, ["my.jsonl"])


def test_full_disk_while_training(mmerc, trimodal_corpus, small_recipe, tmp_path):
    arguments = ("--recipe", small_recipe, "--corpus", trimodal_corpus, "--out", tmp_path / "run")
    with small_disk(ROOM):
        outcome = mmerc("train", *arguments, "--quiet")
    assert (outcome.code, outcome.out) == (1, "")
    assert "cannot be written" in outcome.sentence
    left = {path.name for path in (tmp_path / "run" / "seed-0").iterdir()}
    assert left == {"tensorboard"}
    again = mmerc("train", *arguments, "--quiet", "--resume")
    assert (again.code, again.err) == (0, "")
