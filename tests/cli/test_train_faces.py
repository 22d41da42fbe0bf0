"""``mmerc train-faces`` on a small imitation of FER2013."""

import json

import pytest

from fer2013 import fer_rows, write

QUICK = ("--set", "epochs=1", "--set", "batch_size=8", "--set", "learning_rate=0.01")


@pytest.fixture(scope="module")
def trained(done, tmp_path_factory):
    place = tmp_path_factory.mktemp("faces")
    faces = write(fer_rows(), place / "fer2013.parquet")
    return done("train-faces", faces, "--out", place / "out", *QUICK), faces, place / "out"


def test_training_writes_weights_and_prints_scores(trained):
    outcome, _, out = trained
    assert (out / "weights.safetensors").stat().st_size < 3_000_000
    result = json.loads((out / "result.json").read_text())
    assert result["config"]["epochs"] == 1
    assert f"{result['private']['accuracy']:.2f}" in outcome.out
    assert "surprise" in outcome.out
    assert "epoch 1/1" in outcome.err


def test_finished_training_is_reported_not_repeated(mmerc, trained):
    _, faces, out = trained
    before = (out / "weights.safetensors").stat().st_mtime_ns
    again = mmerc("train-faces", faces, "--out", out, *QUICK, "--json", "--quiet")
    assert (again.code, again.err) == (0, "")
    assert again.json == json.loads((out / "result.json").read_text())
    assert (out / "weights.safetensors").stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (("--set", "epochs=0"), "Face training, epochs: "),
        (("--set", "colour=red"), "Face training, colour: "),
        (("--set", "augmentation.flip=2"), "Face training, augmentation.flip: "),
        (("--set", "epochs"), "--set 'epochs' is not of the form"),
    ],
)
def test_invalid_settings_are_refused(mmerc, trained, tmp_path, changes, message):
    outcome = mmerc("train-faces", trained[1], "--out", tmp_path / "new", *changes)
    assert outcome.code == 2
    assert message in outcome.sentence
    assert not (tmp_path / "new").exists()
