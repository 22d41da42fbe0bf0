import contextlib
import io
import json
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import yaml

from mmerc.cli import main
from short_films import cues, cut, save_model

EXAMPLES = Path(__file__).parents[2] / "examples"
SMALL_MODEL = {
    "name": "df-erc",
    "disentangled_width": 8,
    "classifier_width": 8,
    "fusion_width": 8,
    "prototype_width": 8,
    "context_width": 8,
    "attention_heads": 2,
}
DIMENSIONS = {"text": 6, "audio": 5, "video": 4}
LABELS = ("calm", "glad", "cross")


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str

    @property
    def json(self):
        return json.loads(self.out)

    @property
    def sentence(self):
        """The one-sentence error message; anything else on stderr fails the test."""
        assert self.err.endswith("\n"), self.err
        assert len(self.err.splitlines()) == 1, self.err
        assert self.err.startswith("mmerc: "), self.err
        assert "Traceback" not in self.err
        assert "internal error" not in self.err
        return self.err.strip()


@pytest.fixture(scope="session")
def mmerc():
    """A function that runs the program in this process: arguments -> code, stdout, stderr."""

    def call(*arguments):
        out, err = io.StringIO(), io.StringIO()
        before = sys.argv
        sys.argv = ["mmerc", *map(str, arguments)]
        try:
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                main()
            code = 0
        except SystemExit as error:
            code = error.code or 0
        finally:
            sys.argv = before
        return Outcome(code, out.getvalue(), err.getvalue())

    return call


@pytest.fixture(scope="session")
def done(mmerc):
    """Like ``run``, for a call that must succeed."""

    def call(*arguments):
        outcome = mmerc(*arguments)
        assert outcome.code == 0, outcome.err
        return outcome

    return call


@pytest.fixture(scope="session")
def write_manifest():
    """A function that writes conversations (dictionaries or raw text) as a manifest."""

    def write(path, conversations):
        lines = [c if isinstance(c, str) else json.dumps(c) for c in conversations]
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        return path

    return write


def conversation(name, split, size, numbers, modalities=DIMENSIONS):
    """A conversation with vectors for most utterances."""
    utterances = []
    for position in range(size):
        kind = int(numbers.integers(len(LABELS)))
        vectors = {m: numbers.normal(size=d) + kind for m, d in DIMENSIONS.items()}
        kept = {
            m: v.round(3).tolist()
            for m, v in vectors.items()
            if m in modalities and numbers.random() > 0.1
        }
        utterances.append(
            {
                "id": str(position),
                "speaker": "ab"[position % 2],
                "text": "well yes",
                "label": LABELS[kind],
                "features": kept,
            }
        )
    return {"id": name, "split": split, "utterances": utterances}


@pytest.fixture(scope="session")
def conversations():
    """Fourteen trimodal conversations of random vectors."""
    numbers = np.random.default_rng(0)
    sizes = {"train": 8, "valid": 3, "test": 3}
    return [
        conversation(f"{split}-{i}", split, int(numbers.integers(2, 6)), numbers)
        for split, count in sizes.items()
        for i in range(count)
    ]


@pytest.fixture(scope="session")
def place(tmp_path_factory):
    """Parent of the folders that several tests use."""
    return tmp_path_factory.mktemp("cli")


@pytest.fixture(scope="session")
def trimodal_manifest(place, conversations, write_manifest):
    return write_manifest(place / "trimodal.jsonl", conversations)


@pytest.fixture(scope="session")
def trimodal_corpus(place, done, trimodal_manifest):
    done("prepare", "manifest", trimodal_manifest, "--out", place / "trimodal")
    return place / "trimodal"


@pytest.fixture(scope="session")
def small_recipe(place):
    """Recipe of a very small DF-ERC on precomputed vectors, one epoch."""
    training = {"epochs": 1, "batch_conversations": 4, "warmup_steps": 1, "seeds": 1}
    value = {"name": "small", "description": "x", "model": SMALL_MODEL, "training": training}
    (place / "small.yaml").write_text(yaml.safe_dump(value))
    return place / "small.yaml"


@pytest.fixture(scope="session")
def trimodal_run(place, done, trimodal_corpus, small_recipe):
    arguments = ("--recipe", small_recipe, "--corpus", trimodal_corpus, "--quiet")
    done("train", *arguments, "--out", place / "trimodal-run")
    return place / "trimodal-run"


@pytest.fixture(scope="session")
def example_corpus(place, done):
    labels = ("--labels", "meld", "--json")
    done("prepare", "manifest", EXAMPLES / "corpus.jsonl", *labels, "--out", place / "examples")
    return place / "examples"


@pytest.fixture(scope="session")
def text_settings(tiny_encoder):
    """``--set`` options that make the demo recipe small."""
    small = [f"model.{key}={value}" for key, value in SMALL_MODEL.items() if key != "name"]
    changes = [f"model.text_encoder.name={tiny_encoder}", "training.epochs=1", *small]
    return [part for change in changes for part in ("--set", change)]


@pytest.fixture(scope="session")
def text_run(place, done, example_corpus, text_settings):
    arguments = ("--recipe", "demo", "--corpus", example_corpus, *text_settings)
    done("train", *arguments, "--out", place / "text-run")
    return place / "text-run"


@pytest.fixture(scope="session")
def analysis_models(tmp_path_factory):
    """Folder with the small random models ``heard`` (text and audio) and ``read`` (text)."""
    folder = tmp_path_factory.mktemp("models")
    save_model(folder / "heard", widths={"audio": 1582})
    save_model(folder / "read", widths={})
    return folder


@pytest.fixture
def talk(tmp_path):
    """A folder with a video of two utterances and its subtitles: scene.mp4, scene.srt."""
    folder = tmp_path / "talk"
    folder.mkdir()
    cut("photograph", folder / "scene.mp4", seconds=8.0)
    cues("photograph", folder / "scene.srt", count=2)
    return folder


@pytest.fixture
def analyze(mmerc, analysis_models):
    """A function that runs the program with a small model in one process."""

    def call(*arguments, model="read"):
        return mmerc("analyze", *arguments, "--model", analysis_models / model, "--workers", 1)

    return call
