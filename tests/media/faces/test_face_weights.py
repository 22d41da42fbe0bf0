"""The published weights: checked by hash, read without executing code."""

import hashlib
import os
import pickle
import shutil
import sys

import pytest

from mmerc.errors import InputError, MmercError
from mmerc.media.faces.weights import (
    _MTCNN,
    _convert_package,
    _read_arrays,
    load_networks,
)

# Of all tensors, by name: every face vector depends on them.
CONTENT_SHA256 = "5fad2d6745303ce0182adb8ff6dacd98dc0c63b9fb3ebd54afe7151465c9a0de"


@pytest.fixture
def package_copy(tmp_path):
    return shutil.copytree(_MTCNN.locate(), tmp_path / "weights")


def test_networks_have_the_published_weights():
    networks = load_networks()
    assert not networks.training
    digest = hashlib.sha256()
    for name, values in sorted(networks.state_dict().items()):
        digest.update(name.encode())
        digest.update(values.numpy().tobytes())
    assert digest.hexdigest() == CONTENT_SHA256


def test_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "mtcnn", None)
    with pytest.raises(MmercError, match=r"not installed; install it with `pip install 'mmerc\["):
        load_networks()


@pytest.mark.parametrize("name", _MTCNN.sha256)
def test_other_files_are_refused(package_copy, name):
    content = bytearray((package_copy / name).read_bytes())
    content[len(content) // 2] ^= 1
    (package_copy / name).write_bytes(content)
    with pytest.raises(InputError, match=rf"{name}: expected SHA-256 .* reinstall mtcnn==1.0.0\."):
        _convert_package(package_copy)


def test_missing_file_is_named(package_copy):
    (package_copy / "rnet.lz4").unlink()
    with pytest.raises(InputError, match=r"rnet\.lz4: cannot be read; reinstall"):
        _convert_package(package_copy)


class Trap:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


def test_code_in_a_pickle_is_not_run(tmp_path):
    with pytest.raises(InputError, match=r"carries code \(posix\.mkdir\), which was not run"):
        _read_arrays(pickle.dumps([Trap(str(tmp_path / "sprung"))]))
    assert not (tmp_path / "sprung").exists()


def test_neither_mtcnn_nor_tensorflow_is_imported():
    load_networks()
    assert not {"mtcnn", "tensorflow"} & sys.modules.keys()
