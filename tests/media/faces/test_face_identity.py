"""Face identity: vectors of one person, and their groups."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from mmerc.errors import InputError
from mmerc.media.faces import identity, people
from mmerc.media.faces.detector import FaceDetector
from mmerc.media.faces.identity import encode_crops, encode_faces
from mmerc.media.faces.people import group_faces


@pytest.fixture(scope="module")
def vectors(photograph):
    """A woman in three shots, and a cat in two. Shape: [5, 128]."""
    darker = (photograph[::2, ::2] * 0.6).astype(np.uint8)
    pictures = [photograph, np.ascontiguousarray(photograph[:, ::-1]), darker]
    detector = FaceDetector(smallest=30)
    landmarks = [detector.detect([picture])[0][0].landmarks for picture in pictures]
    data = pytest.importorskip("skimage.data", reason="scikit-image (its photograph) is missing")
    cat = data.chelsea()
    eyes_nose_mouth = np.array([[172, 112], [268, 112], [221, 165], [190, 190], [250, 190]])
    pictures += [cat, (cat * 0.8).astype(np.uint8)]
    return encode_faces(pictures, [*landmarks, eyes_nose_mouth, eyes_nose_mouth + 2])


def test_images_of_one_person_are_close(vectors):
    distances = np.linalg.norm(vectors[:, None] - vectors[None], axis=-1)
    assert distances[:3, :3].max() < 0.5
    assert distances[3, 4] < 0.5
    assert distances[:3, 3:].min() > 0.6


def never(chosen):
    """No two faces are visible at the same time."""
    return False


def test_people_are_recognised_again(vectors):
    woman, cat = group_faces(vectors, never)[[0, 3]]
    assert group_faces(vectors, never).tolist() == [woman] * 3 + [cat] * 2
    assert woman != cat


def test_simultaneous_faces_are_different_people(vectors):
    together = np.zeros((5, 5), bool)
    together[0, 1] = together[1, 0] = True  # the same image twice, side by side
    numbers = group_faces(vectors, lambda chosen: together[chosen, chosen])
    assert numbers[0] != numbers[1]


def test_many_faces_are_grouped_by_a_sample(vectors, monkeypatch):
    monkeypatch.setattr(people, "_MOST_GROUPED", 7)
    many = np.tile(vectors, (5, 1))
    numbers = group_faces(many, never)
    expected = group_faces(vectors, never)
    assert len(set(numbers)) == 2
    assert [numbers[i] == numbers[0] for i in range(25)] == [
        expected[i % 5] == expected[0] for i in range(25)
    ]


def test_no_faces_give_no_group():
    assert group_faces(np.zeros((0, 128), np.float32), never).tolist() == []


def test_eight_bit_weights_are_restored():
    stored = load_file(identity.Path(identity.__file__).with_name("identity.safetensors"))
    scale, least = stored["fc.weight.range"].tolist()
    network = identity._load_network()
    expected = stored["fc.weight"].double() * scale + least
    assert torch.allclose(network.fc.weight.double(), expected, atol=1e-6)
    assert encode_crops(np.zeros((2, 150, 150, 3), np.uint8)).shape == (2, 128)


def test_other_weight_files_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(identity, "__file__", str(tmp_path / "identity.py"))
    (tmp_path / "identity.safetensors").write_bytes(b"other")
    with pytest.raises(InputError, match="not the file that mmerc was released with"):
        identity._load_network.__wrapped__()
