"""The fingerprint of the code of analyses changes with that code, and with nothing else."""

import shutil

import pytest

from mmerc import analysis_code
from mmerc.analysis_code import fingerprint_code


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A copy of the package, used for the fingerprint."""
    copy = tmp_path / "mmerc"
    skipped = shutil.ignore_patterns("__pycache__", "*.safetensors", "*.npz", "*.onnx")
    shutil.copytree(analysis_code.files("mmerc"), copy, ignore=skipped)
    monkeypatch.setattr(analysis_code, "files", lambda name: copy)
    return copy


def test_fingerprint_covers_analysis_code_only(package):
    before = fingerprint_code.__wrapped__()
    assert fingerprint_code.__wrapped__() == before
    for name in (
        "media/sentences.py", "models/df_erc/model.py", "inference/page/page.js", "labels.py",
        "inference/pipeline/pipeline.py", "features/opensmile.py", "corpora/transcript.py",
    ):  # fmt: skip
        content = (package / name).read_text()
        (package / name).write_text(f"{content}\n")
        assert fingerprint_code.__wrapped__() != before, name
        (package / name).write_text(content)
    for name in ("cli/output.py", "serving/runner.py", "training/module.py"):
        (package / name).write_text("")
    cached = package / "media" / "__pycache__"
    cached.mkdir()
    (cached / "sentences.cpython-311.pyc").touch()
    assert fingerprint_code.__wrapped__() == before
