"""The published weights: known by hash, read without running anything, kept as safetensors."""

import os
import pickle
import shutil
import sys

import pytest
import torch
from safetensors.torch import load_file, save_file

from mmerc.errors import InputError, MmercError
from mmerc.files import cache_folder
from mmerc.media.faces.weights import (
    MTCNN,
    convert_package,
    load_networks,
    load_weights,
    read_arrays,
)


@pytest.fixture
def package_copy(tmp_path):
    return shutil.copytree(MTCNN.locate(), tmp_path / "weights")


def test_converted_once_and_kept():
    networks = load_networks()
    kept = load_file(cache_folder() / "mtcnn.safetensors")
    assert networks.state_dict().keys() == kept.keys()
    assert all(torch.equal(kept[name], value) for name, value in networks.state_dict().items())
    assert not networks.training


@pytest.mark.parametrize("damage", ["truncated", "other values", "other names"])
def test_a_damaged_copy_is_made_anew(tmp_path, damage):
    cached = tmp_path / "mtcnn.safetensors"
    whole = load_weights(cached)
    if damage == "truncated":
        cached.write_bytes(cached.read_bytes()[:1000])
    elif damage == "other values":
        save_file({name: values + 1 for name, values in whole.items()}, cached)
    else:
        save_file({f"{name}.": values for name, values in whole.items()}, cached)
    for _ in range(2):
        again = load_weights(cached)
        assert again.keys() == whole.keys()
        assert all(torch.equal(again[name], whole[name]) for name in whole)


def test_without_the_package_the_copy_is_enough(tmp_path, monkeypatch):
    whole = load_weights(tmp_path / "mtcnn.safetensors")
    monkeypatch.setitem(sys.modules, "mtcnn", None)
    assert load_weights(tmp_path / "mtcnn.safetensors").keys() == whole.keys()
    with pytest.raises(MmercError, match=r"not installed; install it with `pip install 'mmerc\["):
        load_weights(tmp_path / "elsewhere.safetensors")


@pytest.mark.parametrize("name", MTCNN.sha256)
def test_another_file_is_refused(package_copy, name):
    content = bytearray((package_copy / name).read_bytes())
    content[len(content) // 2] ^= 1
    (package_copy / name).write_bytes(content)
    with pytest.raises(InputError, match=rf"{name}: expected SHA-256 .* reinstall mtcnn==1.0.0\."):
        convert_package(package_copy)


def test_a_missing_file_is_named(package_copy):
    (package_copy / "rnet.lz4").unlink()
    with pytest.raises(InputError, match=r"rnet\.lz4: cannot be read; reinstall"):
        convert_package(package_copy)


class Trap:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


def test_code_in_a_pickle_is_not_run(tmp_path):
    with pytest.raises(InputError, match=r"carries code \(posix\.mkdir\), which was not run"):
        read_arrays(pickle.dumps([Trap(str(tmp_path / "sprung"))]))
    assert not (tmp_path / "sprung").exists()


def test_neither_mtcnn_nor_tensorflow_is_imported(tmp_path):
    load_weights(tmp_path / "mtcnn.safetensors")
    assert not {"mtcnn", "tensorflow"} & sys.modules.keys()
