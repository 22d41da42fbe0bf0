import pickle
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file

from mmerc.errors import InputError
from mmerc.training.checkpoint import SafetensorsCheckpointIO

DTYPES = (torch.float32, torch.float64, torch.bfloat16, torch.float16, torch.int64, torch.int32,
          torch.uint8, torch.bool)  # fmt: skip
SHAPES = ((), (0,), (3,), (2, 0), (2, 3))


@st.composite
def tensors(draw):
    shape, dtype = draw(st.sampled_from(SHAPES)), draw(st.sampled_from(DTYPES))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 100)))
    return (torch.randn(shape, generator=generator) * 3).to(dtype)


KEYS = st.one_of(st.text(max_size=5), st.integers(), st.tuples(st.integers(), st.text(max_size=2)))
LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), tensors()
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(KEYS, inner, max_size=3),
    ),
    max_leaves=12,
)


def same(one, other):
    if type(one) is not type(other):
        return False
    if isinstance(one, torch.Tensor):
        # Bytes, so that NaN equals itself and -0.0 is not 0.0.
        return (
            one.dtype == other.dtype
            and one.shape == other.shape
            and bytes_of(one) == bytes_of(other)
        )
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, float):
        return one.hex() == other.hex()
    return one == other


def bytes_of(tensor):
    return tensor.reshape(-1).view(torch.uint8).tolist() if tensor.numel() else []


@settings(deadline=None, max_examples=60)
@given(st.dictionaries(st.text(max_size=5), VALUES, max_size=4))
def test_checkpoint_round_trip(checkpoint):
    with TemporaryDirectory() as folder:
        path = Path(folder) / "state.safetensors"
        files = SafetensorsCheckpointIO()
        files.save_checkpoint(checkpoint, path)
        assert same(files.load_checkpoint(path), checkpoint)


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "resume.safetensors"
    state = {"step": 3, "weights": torch.arange(100.0), "same": [torch.ones(2)] * 2}
    SafetensorsCheckpointIO().save_checkpoint(state, path)
    return path


def test_checkpoint_is_safetensors_and_not_pickle(saved):
    assert load_file(saved)["0"].equal(torch.arange(100.0))
    with pytest.raises(pickle.UnpicklingError):
        pickle.loads(saved.read_bytes())


def test_views_and_shared_tensors_are_complete(tmp_path):
    matrix = torch.arange(6.0).reshape(2, 3)
    state = {"one": matrix, "two": matrix, "turned": matrix.T, "row": matrix[1]}
    files = SafetensorsCheckpointIO()
    files.save_checkpoint(state, tmp_path / "a")
    assert same(
        files.load_checkpoint(tmp_path / "a"), {k: v.contiguous() for k, v in state.items()}
    )


@pytest.mark.parametrize("kept", [0, 4, 20, 100, -1])
def test_truncated_file_gives_a_one_sentence_error(saved, kept):
    saved.write_bytes(saved.read_bytes()[:kept])
    with pytest.raises(InputError, match="truncated; remove it to train") as caught:
        SafetensorsCheckpointIO().load_checkpoint(saved)
    assert "\n" not in str(caught.value)
    assert str(saved) in str(caught.value)


@pytest.mark.parametrize("content", [b"no", None])
def test_other_files_are_refused(tmp_path, content):
    path = tmp_path / "resume.safetensors"
    if content is None:
        torch.save({}, path)
    else:
        path.write_bytes(content)
    with pytest.raises(InputError):
        SafetensorsCheckpointIO().load_checkpoint(path)


def test_weights_without_a_structure_are_refused(tmp_path):
    from safetensors.torch import save_file

    save_file({"0": torch.ones(1)}, tmp_path / "a")
    with pytest.raises(InputError):
        SafetensorsCheckpointIO().load_checkpoint(tmp_path / "a")


@pytest.mark.parametrize("strange", [object(), {1, 2}, b"bytes", 1j, Path("a")])
def test_object_of_unknown_type_is_refused_and_the_old_file_stays(saved, strange):
    before = saved.read_bytes()
    with pytest.raises(TypeError, match=type(strange).__name__):
        SafetensorsCheckpointIO().save_checkpoint({"deep": [{"in": strange}]}, saved)
    assert saved.read_bytes() == before
    assert [item.name for item in saved.parent.iterdir()] == [saved.name]


def test_removing_twice_is_no_error(saved):
    SafetensorsCheckpointIO().remove_checkpoint(saved)
    SafetensorsCheckpointIO().remove_checkpoint(saved)
    assert not saved.exists()
