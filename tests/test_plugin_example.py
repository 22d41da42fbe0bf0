"""The example plug-in, installed into its own environment, works everywhere in mmerc.

The environment shares this one's packages; only the plug-in is new, and no code of mmerc
differs.
"""

import csv
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import numpy as np
import pytest
import soundfile

EXAMPLE = Path(__file__).parents[1] / "examples" / "plugin"
RATE = 16_000
PITCH = {"calm": 110.0, "glad": 220.0}
SIZES = {"train": 4, "valid": 2, "test": 2}
RUN_COMMANDS = """
import contextlib, io, json, sys
from mmerc.cli import main

for line in sys.stdin:
    sys.argv = ["mmerc", *json.loads(line)]
    out, err, code = io.StringIO(), io.StringIO(), 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main()
        except SystemExit as stop:
            code = stop.code or 0
    print(json.dumps([code, out.getvalue(), err.getvalue()]), flush=True)
"""


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    """The interpreter of a fresh environment with the plug-in installed by pip, without network."""
    folder = tmp_path_factory.mktemp("plugin")
    venv.create(folder / "venv", with_pip=False, symlinks=True)
    source = folder / "source"
    shutil.copytree(EXAMPLE, source)
    site = Path(sysconfig.get_path("purelib", vars={"base": str(folder / "venv")}))
    pip = ("-m", "pip", "install", "--no-deps", "--no-build-isolation", "--no-index", "--quiet")
    subprocess.run([sys.executable, *pip, "--target", site, source], check=True)
    ours = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    lines = [f"import site; site.addsitedir({path!r})" for path in sorted(ours)]
    (site / "environment.pth").write_text("\n".join(lines))
    return folder / "venv" / "bin" / "python"


@pytest.fixture(scope="module")
def mmerc(python):
    """A function that runs commands of the program in that environment."""
    environment = {**os.environ, "MMERC_CACHE": str(python.parents[2] / "cache")}
    process = subprocess.Popen(
        [python, "-c", RUN_COMMANDS],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment,
    )  # fmt: skip

    def call(*arguments):
        process.stdin.write(json.dumps([*map(str, arguments)]) + "\n")
        process.stdin.flush()
        code, out, err = json.loads(process.stdout.readline())
        assert code == 0, err
        return out

    yield call
    process.stdin.close()
    process.wait(timeout=60)


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    """A corpus in the plug-in's format, whose emotions determine the pitch."""
    folder = tmp_path_factory.mktemp("corpus")
    numbers = np.random.default_rng(0)
    for split, count in SIZES.items():
        (folder / split).mkdir()
        for conversation in range(count):
            rows = []
            for position in range(4):
                emotion = ("calm", "glad")[int(numbers.integers(2))]
                media = f"{split}-{conversation}-{position}.wav"
                soundfile.write(folder / media, voice(PITCH[emotion], numbers), RATE)
                rows.append(["AB"[position % 2], "well; yes", emotion, media])
            with open(folder / split / f"{split}{conversation}.csv", "w", newline="") as file:
                writer = csv.writer(file, delimiter=";")
                writer.writerows([["speaker", "text", "emotion", "media"], *rows])
    return folder


def voice(pitch, numbers):
    time = np.arange(RATE // 2) / RATE
    harmonics = sum(np.sin(2 * np.pi * n * pitch * time) / n for n in range(1, 5))
    return (0.2 * harmonics + 0.005 * numbers.normal(size=len(time))).astype(np.float32)


ADDED = {
    "models": "gru",
    "extractors": "prosody",
    "corpora": "csv-folder",
    "targets": "prosody-table1",
    "recipes": "mmerc_prosody:prosody-gru",
}


@pytest.mark.parametrize(("kind", "name"), ADDED.items())
def test_plugin_parts_are_listed(mmerc, kind, name):
    entries = json.loads(mmerc("list", kind, "--json"))
    assert entries[name]["package"] == "mmerc-prosody"
    assert len(entries[name]["summary"]) > 10
    assert any(entry["package"] == "mmerc" for entry in entries.values())


def test_help_lists_the_plugin_corpus_and_its_options(mmerc):
    assert "csv-folder" in mmerc("prepare", "--help")
    text = mmerc("prepare", "csv-folder", "--help")
    assert "--delimiter" in text
    assert "--overwrite" in text


def test_from_raw_files_to_a_prediction_and_a_table(mmerc, raw, tmp_path):
    corpus, run = tmp_path / "corpus", tmp_path / "run"
    out = json.loads(
        mmerc("prepare", "csv-folder", raw, "--delimiter", ";", "--out", corpus, "--json")
    )
    assert (out["reader"], out["counts"]["train"]["utterances"]) == ("csv-folder", 16)
    (actual,) = json.loads(
        mmerc("extract", corpus, "--media", raw, "--audio", "prosody", "--json")
    )["extracted"]
    assert (actual["extractor"], actual["width"], actual["vectors"]) == ("prosody", 14, 32)

    recipe = "mmerc_prosody:prosody-gru"
    mmerc("train", "--recipe", recipe, "--corpus", corpus, "--out", run, "--quiet")
    result = json.loads((run / "result.json").read_text())
    assert result["model"] == "gru"
    assert result["summary"]["test"]["weighted_f1"]["mean"] > 80

    soundfile.write(
        tmp_path / "talk.wav",
        np.concatenate([voice(PITCH[name], np.random.default_rng(1)) for name in ("glad", "calm")]),
        RATE,
    )
    turns = "".join(
        f"SPEAKER talk 1 {start} 0.5 <NA> <NA> {name} <NA> <NA>\n"
        for start, name in ((0, "Ann"), (0.5, "Bob"))
    )
    (tmp_path / "talk.rttm").write_text(turns)
    talk = tmp_path / "talk.jsonl"
    mmerc(
        "extract", tmp_path / "talk.wav", "--turns", tmp_path / "talk.rttm",
        "--audio", "prosody", "--out", talk,
    )  # fmt: skip
    lines = mmerc("predict", talk, "--model", run).splitlines()
    assert [json.loads(line)["label"] for line in lines] == ["glad", "calm"]

    mmerc(
        "reproduce", "prosody-table1", "--corpus", corpus, "--out", tmp_path / "table",
        "--seeds", 1, "--quiet",
    )  # fmt: skip
    report = (tmp_path / "table" / "prosody-table1" / "report.md").read_text()
    assert "GRU" in report
    assert "Majority" in report
