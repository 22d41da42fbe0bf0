"""Small inputs for every command."""

import json
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from built_wheel import build_wheel, install_wheel
from every_command import Inputs

from copies import copy_folder
from mmerc.cli import main
from mmerc.conversation import SPLITS
from short_films import cues, cut, save_model

WIDTHS = {"text": 6, "audio": 5, "video": 4}
LABELS = ("calm", "cross")
RECIPE = """name: small
description: small
model: {name: concatenation}
training: {epochs: 1, seeds: 1, batch_conversations: 4}
"""


def write_manifest(path, *, media):
    """A manifest with random vectors, or with one video in every conversation."""
    numbers = np.random.default_rng(0)

    def utterance(number):
        vectors = {m: numbers.normal(size=d).round(3).tolist() for m, d in WIDTHS.items()}
        own = {"media": media, "start": 2.0 * number, "end": 2.0 * number + 1}
        own = own if media else {"features": vectors}
        return {"id": str(number), "speaker": "a", "text": "so", "label": LABELS[number]} | own

    lines = [
        json.dumps({"id": f"{split}-{i}", "split": split, "utterances": [*map(utterance, (0, 1))]})
        for split in SPLITS
        for i in range(1 if media else 4)
    ]
    path.write_text("\n".join(lines))
    return path


def call(*arguments):
    """Run the program in this process."""
    before = sys.argv
    sys.argv = ["mmerc", *map(str, arguments)]
    try:
        main()
    except SystemExit as end:
        assert not end.code, arguments
    finally:
        sys.argv = before


@pytest.fixture(scope="session")
def folder():
    """A folder that every user can access, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp(prefix="mmerc-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def prepared(folder):
    """The inputs of all commands."""
    place = folder / "inputs"
    place.mkdir()
    cut("photograph", place / "scene.mp4", seconds=4.5)
    cues("photograph", place / "scene.srt", count=1)
    (place / "talk.txt").write_text("A: I am so glad you came!\nB: Go away.\n")
    (place / "small.yaml").write_text(RECIPE)
    save_model(place / "heard")
    save_model(place / "run_text", widths={})
    for name, media in (("vectors", None), ("films", "scene.mp4")):
        manifest = write_manifest(place / f"{name}.jsonl", media=media)
        call("prepare", "manifest", manifest, "--out", place / name)
    run = ("--recipe", place / "small.yaml", "--corpus", place / "vectors", "--quiet")
    call("train", *run, "--no-cache", "--out", place / "run")
    return place


@pytest.fixture
def inputs(folder, prepared):
    """A copy of the inputs that a command may change, and a folder for its output."""
    own = Path(tempfile.mkdtemp(dir=folder))
    copy_folder(prepared, own / "inputs")
    (own / "out").mkdir()
    return Inputs(own / "inputs", own / "out")


@pytest.fixture(scope="session")
def wheel(folder):
    """The built wheel."""
    (folder / "wheel").mkdir()
    return build_wheel(folder / "wheel")


@pytest.fixture(scope="session")
def installed(wheel, folder):
    """The interpreter of an environment in which the wheel is installed."""
    return install_wheel(wheel, folder / "environment")
