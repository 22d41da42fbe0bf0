"""``mmerc export``: what it prints, keeps and refuses."""

import pytest

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")


def test_run_is_exported_to_a_file(done, trimodal_run, tmp_path):
    outcome = done("export", trimodal_run, "--onnx", tmp_path / "small.onnx", "--json")
    assert outcome.json["bytes"] == (tmp_path / "small.onnx").stat().st_size
    assert outcome.json["difference"] < 1e-4
    assert outcome.json["inputs"]["text"] == ["conversations", "utterances", 6]
    assert set(outcome.json["outputs"]) == {"logits", "probabilities"}


def test_table_and_existing_files(done, mmerc, trimodal_run, tmp_path):
    path = tmp_path / "small.onnx"
    path.write_text("mine")
    refused = mmerc("export", trimodal_run, "--onnx", path)
    assert refused.code == 1
    assert "exists already" in refused.sentence
    assert path.read_text() == "mine"
    out = done("export", trimodal_run, "--onnx", path, "--overwrite").out
    assert "audio_present" in out
    assert "probabilities" in out
    assert str(path) in out


def test_missing_model(mmerc, tmp_path):
    outcome = mmerc("export", tmp_path / "nothing", "--onnx", tmp_path / "x.onnx")
    assert outcome.code == 1
    assert "nothing" in outcome.sentence
    assert not (tmp_path / "x.onnx").exists()
