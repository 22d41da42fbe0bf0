import json
import multiprocessing
from dataclasses import asdict

import pytest

from mmerc.training.cache import RunCache, Try


def make_try(number=0, **more):
    value = {
        "when": "2026-01-01T00:00:00+00:00", "key": str(number), "recipe": "tiny",
        "corpus": "small", "validated_on": "valid", "seed": number, "settings": {"a": {"b": 1}},
        "weighted_f1": 50.0,
    }  # fmt: skip
    return Try(**(value | more))


@pytest.fixture
def cache(tmp_path):
    return RunCache(tmp_path / "cache")


def test_missing_list_counts_as_empty(cache):
    assert list(cache.tries()) == []
    assert cache.score("x") is None


@pytest.mark.parametrize("kept", [1, 40, -2])
def test_truncated_line_is_skipped_and_the_next_is_complete(cache, kept):
    cache.log(make_try(0))
    with open(cache.root / "tries.jsonl", "a") as file:
        file.write(json.dumps(asdict(make_try(1)))[:kept])
    assert list(cache.tries()) == [make_try(0)]
    cache.log(make_try(2))
    cache.log(make_try(3))
    assert list(cache.tries()) == [make_try(0), make_try(2), make_try(3)]


@pytest.mark.parametrize("line", ["", "[]", "3", "null", "{}", '{"key": "x"}', "\x00\x00"])
def test_lines_of_other_formats_are_skipped(cache, line):
    cache.log(make_try(0))
    with open(cache.root / "tries.jsonl", "a") as file:
        file.write(f"{line}\n")
    cache.log(make_try(1))
    assert list(cache.tries()) == [make_try(0), make_try(1)]


def append_many(root, number, gate):
    gate.wait(60)
    for i in range(100):
        long = {"text": f"é\u2028{number}" * 700}  # well over a buffer of 8 kB
        RunCache(root).log(make_try(i, key=f"{number}-{i}", settings=long))


def test_concurrent_processes_do_not_mix_lines(cache):
    context = multiprocessing.get_context("fork")  # quick, and they only write
    gate = context.Barrier(3)
    workers = [
        context.Process(target=append_many, args=(cache.root, number, gate)) for number in range(3)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(120)
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    keys = [t.key for t in cache.tries()]
    assert len((cache.root / "tries.jsonl").read_text().split("\n")) == 301
    assert sorted(keys) == sorted(f"{number}-{i}" for number in range(3) for i in range(100))
    for number in range(3):  # each in its own order
        own = [key for key in keys if key.startswith(f"{number}-")]
        assert own == [f"{number}-{i}" for i in range(100)]


def test_unwritable_list_gives_a_remark(cache, caplog):
    cache.root.mkdir()
    (cache.root / "tries.jsonl").mkdir()
    cache.log(make_try())
    (remark,) = caplog.messages
    assert "tries.jsonl: cannot be written (is a directory)" in remark
    assert "MMERC_CACHE" in remark
