import os
import shutil
from dataclasses import replace

import pytest
from run_files import weights

from mmerc.features.store import FeatureTable
from mmerc.models.df_erc.config import DfErcConfig
from mmerc.training import cache as cache_module
from mmerc.training import seed as seed_module
from mmerc.training.cache import RunCache, code_fingerprint, seed_key
from mmerc.training.hardware import Hardware
from mmerc.training.recipe import change_recipe
from mmerc.training.run import train_run

FULL = OSError(28, "No space left on device")


def scaled_corpus(corpus, modality="audio"):
    table = corpus.features[modality]
    rows = [
        row if row.vector is None else replace(row, vector=row.vector * 2)
        for row in table.rows.values()
    ]
    return replace(
        corpus, features={**corpus.features, modality: FeatureTable.of(table.spec, rows)}
    )


def relabelled(corpus, split="train"):
    """The corpus with one changed label in a split."""
    first, *others = corpus.splits[split]
    utterance, *rest = first.utterances
    label = next(name for name in corpus.labels if name != utterance.label)
    changed_first = replace(first, utterances=(replace(utterance, label=label), *rest))
    return replace(corpus, splits={**corpus.splits, split: (changed_first, *others)})


@pytest.fixture
def cache(tmp_path):
    return RunCache(tmp_path / "cache")


@pytest.fixture
def run(tmp_path, tiny_recipe, small_corpus, cache):
    """A function that trains the very small DF-ERC for one epoch with the cache."""

    def call(name, *, seeds=1, corpus=small_corpus, message=None, resume=False, **training):
        recipe = tiny_recipe(**({"epochs": 1} | training))
        report = [].append if message is None else message.append
        return train_run(
            recipe, corpus, tmp_path / name, seeds=seeds, resume=resume, cache=cache, report=report
        )

    return call


@pytest.fixture
def no_training(monkeypatch):
    """After this call, training is an error."""

    def forbid():
        def fail(*arguments, **settings):
            raise AssertionError("trained again")

        monkeypatch.setattr(seed_module, "train_seed", fail)

    return forbid


# Keys


def key_of(recipe, corpus, seed=0, hardware=None):
    return seed_key(recipe, corpus, seed, hardware or Hardware())


@pytest.mark.parametrize(
    "settings",
    [
        {"training.epochs": 4},
        {"training.learning_rate": 0.02},
        {"training.weight_averaging": 0.5},
        {"training.precision": "auto"},
        {"model.dropout": 0.3},
        {"model.focus": 1.0},
        {"model.ablations": ["-DDM"]},
        {"model.modalities": ["text", "audio"]},
        {"model.text_encoder": {"name": "x"}},
    ],
    ids=lambda settings: next(iter(settings)),
)
def test_setting_changes_the_key(tiny_recipe, small_corpus, settings):
    recipe = tiny_recipe()
    assert key_of(change_recipe(recipe, settings), small_corpus) != key_of(recipe, small_corpus)


@pytest.mark.parametrize(
    "settings",
    [
        {"name": "other"},
        {"description": "other"},
        {"training.seeds": 9},
        {"search": {"training.epochs": {"low": 1, "high": 9}}},
    ],
    ids=lambda settings: next(iter(settings)),
)
def test_irrelevant_settings_do_not_change_the_key(tiny_recipe, small_corpus, settings):
    recipe = tiny_recipe()
    assert key_of(change_recipe(recipe, settings), small_corpus) == key_of(recipe, small_corpus)


def test_every_part_of_the_corpus_is_in_the_key(tiny_recipe, small_corpus):
    recipe = tiny_recipe()
    corpora = [small_corpus, *(scaled_corpus(small_corpus, m) for m in ("text", "audio", "video"))]
    corpora += [relabelled(small_corpus, split) for split in ("train", "valid", "test")]
    train, valid = small_corpus.splits["train"], small_corpus.splits["valid"]
    moved = {"train": train[1:], "valid": (*valid, train[0])}
    corpora.append(replace(small_corpus, splits={**small_corpus.splits, **moved}))
    assert len({key_of(recipe, corpus) for corpus in corpora}) == len(corpora)
    assert key_of(recipe, replace(small_corpus, name="big")) == key_of(recipe, small_corpus)


def test_seed_hardware_and_code_are_in_the_key(tiny_recipe, small_corpus, monkeypatch):
    recipe = tiny_recipe()
    keys = [key_of(recipe, small_corpus, seed) for seed in (0, 1, 2)]
    keys.append(key_of(recipe, small_corpus, 0, Hardware(accelerator="gpu")))
    keys.append(key_of(recipe, small_corpus, 0, Hardware(devices=2)))
    monkeypatch.setattr(cache_module, "code_fingerprint", lambda: "other")
    keys.append(key_of(recipe, small_corpus))
    assert len(set(keys)) == len(keys)


def test_progress_bar_is_not_in_the_key(tiny_recipe, small_corpus):
    one, other = (Hardware(progress=progress) for progress in (True, False))
    keys = {key_of(tiny_recipe(), small_corpus, 0, hardware) for hardware in (one, other)}
    assert len(keys) == 1


def test_code_fingerprint_covers_every_training_file(monkeypatch, tmp_path):
    package = tmp_path / "mmerc"
    shutil.copytree(
        cache_module.files("mmerc"), package, ignore=shutil.ignore_patterns("__pycache__")
    )
    monkeypatch.setattr(cache_module, "files", lambda name: package)
    before = code_fingerprint.__wrapped__()
    for name in ("models/df_erc/model.py", "nn/dropout.py", "training/module.py", "labels.py"):
        content = (package / name).read_text()
        (package / name).write_text(content + "\nCHANGED = True\n")
        assert code_fingerprint.__wrapped__() != before, name
        (package / name).write_text(content)
    recipe = package / "training" / "recipe.py"
    described = recipe.read_text().replace("share of training conversations", "portion of them")
    assert described != recipe.read_text()
    recipe.write_text(described)
    prose = (package / "nn" / "dropout.py").read_text().replace('"""', '"""Now ', 1)
    (package / "nn" / "dropout.py").write_text(prose + "\n# a comment\n\n")
    (package / "cli" / "output.py").write_text("")
    os.utime(package / "nn" / "dropout.py", (1, 1))
    assert code_fingerprint.__wrapped__() == before


def test_code_fingerprint_ignores_only_setting_descriptions():
    source = """
class Settings(BaseModel):
    rate: float = Field(default=0.1, gt=0, description="how fast")
    share: Annotated[float, Field(ge=0, description=f"of {what}")] = 0.5
    other: str = describe(name="x", description="a value, not a text for people")
"""
    syntax = cache_module._syntax_of
    for old, new in [
        ('description="how fast"', 'description=("how " "slowly")'),
        (', description="how fast"', ""),
        ('description=f"of {what}"', 'description="of all"'),
    ]:
        assert syntax(source.replace(old, new)) == syntax(source) != syntax(""), old
    for old, new in [
        ("default=0.1", "default=0.2"),
        ("gt=0", "gt=1"),
        ("ge=0", "gt=0"),
        ("= 0.5", "= 0.6"),
        ("a value,", "another value,"),
        ("rate", "speed"),
    ]:
        assert syntax(source.replace(old, new)) != syntax(source), old


def test_explicit_defaults_give_the_same_key(tiny_recipe, small_corpus):
    whole = change_recipe(tiny_recipe(), {"model.dropout": DfErcConfig().dropout})
    assert key_of(whole, small_corpus) == key_of(tiny_recipe(), small_corpus)


# Finished seeds


def test_finished_seed_comes_from_the_cache(run, tmp_path, no_training):
    first = run("one", seeds=2)
    no_training()
    message = []
    assert run("two", seeds=2, message=message) == first
    assert message == [f"seed {seed}: taken from the cache" for seed in (0, 1)]
    names = [
        sorted(path.relative_to(tmp_path / run_name) for path in (tmp_path / run_name).rglob("*"))
        for run_name in ("one", "two")
    ]
    assert names[0] == names[1]
    assert [weights(tmp_path / "two", seed) for seed in (0, 1)] == [
        weights(tmp_path / "one", seed) for seed in (0, 1)
    ]


def test_run_continues_from_the_cache(run, no_training):
    run("one", seeds=2)
    run("two", seeds=1)
    no_training()
    result = run("two", seeds=2, resume=True)
    assert [seed["seed"] for seed in result["seeds"]] == [0, 1]


@pytest.mark.parametrize("change", [scaled_corpus, relabelled])
def test_changed_corpus_is_trained_again(run, small_corpus, cache, change):
    run("one")
    message = []
    run("two", corpus=change(small_corpus), message=message)
    assert any("epoch 1/1" in line for line in message)
    assert len(list(cache.tries())) == 2
    assert len(list((cache.root / "runs").iterdir())) == 2


def test_timestamps_are_ignored(run, tmp_path, cache, small_corpus, no_training):
    small_corpus.save(tmp_path / "corpus")
    loaded = type(small_corpus).load(tmp_path / "corpus")
    first = run("one", corpus=loaded)
    everything = [*cache.root.rglob("*"), *(tmp_path / "corpus").rglob("*")]
    for number, path in enumerate(everything):
        moment = 1 if number % 2 else 4_000_000_000
        os.utime(path, (moment, moment))
    no_training()
    again = type(small_corpus).load(tmp_path / "corpus")
    assert run("two", corpus=again) == first


def test_changed_files_with_old_timestamps_are_trained_again(run, tmp_path, small_corpus, cache):
    small_corpus.save(tmp_path / "corpus")
    run("one", corpus=type(small_corpus).load(tmp_path / "corpus"))
    before = {
        path.relative_to(tmp_path / "corpus"): path.stat().st_mtime_ns
        for path in (tmp_path / "corpus").rglob("*")
    }
    scaled_corpus(small_corpus).save(tmp_path / "corpus", overwrite=True)
    for path, moment in before.items():
        if (tmp_path / "corpus" / path).exists():
            os.utime(tmp_path / "corpus" / path, ns=(moment, moment))
    run("two", corpus=type(small_corpus).load(tmp_path / "corpus"))
    assert len(list(cache.tries())) == 2


def test_incomplete_entry_is_not_used(run, cache):
    first = run("one")
    (entry,) = (cache.root / "runs").iterdir()
    (entry / "seed.json").unlink()
    message = []
    assert run("two", message=message) == first
    assert any("epoch 1/1" in line for line in message)


def test_cache_survives_the_run(run, tmp_path, cache, no_training):
    first = run("one")
    kept = weights(tmp_path / "one")
    shutil.rmtree(tmp_path / "one")
    no_training()
    assert run("two") == first
    assert weights(tmp_path / "two") == kept
    shutil.rmtree(cache.root)
    assert weights(tmp_path / "two") == kept


def test_later_writes_of_a_run_do_not_change_the_cache(run, cache, tmp_path):
    run("one")
    (entry,) = (cache.root / "runs").iterdir()
    before = {path: path.read_bytes() for path in entry.rglob("*") if path.is_file()}
    run("one", seeds=2, resume=True)
    assert {path: path.read_bytes() for path in before} == before


def test_without_hard_links_files_are_copied(run, tmp_path, cache, monkeypatch, no_training):
    def refuse(source, target):
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(cache_module.os, "link", refuse)
    first = run("one")
    no_training()
    assert run("two") == first
    file = tmp_path / "two" / "seed-0" / "model" / "model.safetensors"
    assert file.stat().st_nlink == 1


def test_nothing_is_cached_without_a_cache(run, cache, tiny_recipe, small_corpus, tmp_path):
    first = run("one")
    message = []
    recipe = tiny_recipe(epochs=1)
    plain = train_run(recipe, small_corpus, tmp_path / "two", report=message.append)
    assert plain == first
    assert any("epoch 1/1" in line for line in message)
    assert len(list(cache.tries())) == 1


def test_full_cache_does_not_stop_training(run, cache, monkeypatch, caplog):
    def full(*arguments):
        raise FULL

    with monkeypatch.context() as patch:
        patch.setattr(cache_module.os, "link", full)
        patch.setattr(cache_module.shutil, "copy2", full)
        assert run("one")["seeds"]
    (remark,) = caplog.messages
    assert "\n" not in remark
    assert remark.count("no space left on device") == 1
    assert str(cache.root) in remark
    assert "MMERC_CACHE" in remark
    assert list((cache.root / "runs").iterdir()) == []
    assert len(list(cache.tries())) == 1  # the use of validation counts anyway
    assert run("one", resume=True)["seeds"]


def test_default_cache_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("MMERC_CACHE", str(tmp_path))
    assert RunCache.default().root == tmp_path
    monkeypatch.delenv("MMERC_CACHE")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert RunCache.default().root == tmp_path / ".cache" / "mmerc"


# The list of tries


def test_list_has_one_line_per_training(run, cache, tiny_recipe, small_corpus):
    result = run("one", seeds=2)
    run("two", seeds=2)  # from the cache
    run("one", seeds=2, resume=True)  # done before
    run("three", epochs=2)
    actual = list(cache.tries())
    assert [(t.seed, t.settings["training"]["epochs"]) for t in actual] == [(0, 1), (1, 1), (0, 2)]
    assert {(t.recipe, t.corpus, t.validated_on) for t in actual} == {("tiny", "small", "valid")}
    for seed, line in zip(result["seeds"], actual, strict=False):
        assert line.weighted_f1 == pytest.approx(seed["valid"]["weighted_f1"], abs=1e-4)
        key = key_of(tiny_recipe(epochs=1), small_corpus, line.seed)
        assert line.key == key
        assert cache.score(key) == line.weighted_f1
    assert cache.score("another") is None


def test_interrupted_training_is_not_listed(tiny_recipe, small_corpus, tmp_path, cache):
    def report(line):
        raise RuntimeError

    with pytest.raises(RuntimeError):
        train_run(tiny_recipe(), small_corpus, tmp_path / "run", cache=cache, report=report)
    assert list(cache.tries()) == []
    assert not (cache.root / "runs").exists()


def test_validation_is_logged_before_the_seed_finishes(run, tmp_path, cache, monkeypatch):
    """A process killed in between repeats no training, and its use of validation is listed."""

    def kill(path, value):
        raise KeyboardInterrupt

    with monkeypatch.context() as killing:
        killing.setattr(seed_module, "write_json", kill)
        with pytest.raises(KeyboardInterrupt):
            run("one", seeds=1)
    assert not (tmp_path / "one" / "seed-0" / "seed.json").exists()
    assert len(list(cache.tries())) == 1
    lines = []
    run("one", seeds=1, resume=True, message=lines)
    assert not any("epoch 1/1" in line for line in lines)
    assert len(list(cache.tries())) == 1


def test_auto_is_resolved_for_this_machine(tiny_recipe, small_corpus, monkeypatch):
    recipe = tiny_recipe(precision="auto")
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: False)
    keys = {}
    for present in (False, True):
        monkeypatch.setattr("torch.cuda.is_available", lambda present=present: present)
        monkeypatch.setattr("torch.cuda.is_bf16_supported", lambda including_emulation=True: True)
        keys[present] = key_of(recipe, small_corpus, 0, Hardware())
        expected = Hardware(accelerator="gpu" if present else "cpu")
        assert keys[present] == key_of(recipe, small_corpus, 0, expected)
    assert keys[False] != keys[True]
