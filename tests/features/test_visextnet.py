"""VisExtNet: checkpoints with both naming schemes, and its vectors of faces."""

import pickle
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from transformers import ResNetConfig, ResNetForImageClassification

from mmerc.errors import InputError, MmercError
from mmerc.features.base import Absent
from mmerc.features.visextnet import _VGGFACE2_MEAN, VisExtNet, _Architecture, _own_name
from mmerc.media.faces.views import FaceViews
from mmerc.media.segment import Segment

TINY = _Architecture(depths=(2, 1, 1, 1), widths=(8, 12, 16, 20), stem=4)
OUTPUTS = 10


@dataclass(frozen=True)
class ColourFaces:
    """Given crops, ``each`` per frame."""

    count: int = 3
    each: int = 1
    choice: str = "speaking"

    def views(self, segment):
        if not self.count:
            return Absent("no face in any frame")
        frames = np.arange(self.count) % (self.count // self.each)
        return FaceViews(colours(self.count), np.ones(self.count), frames)


def colours(count):
    return np.random.default_rng(0).integers(0, 256, (count, 224, 224, 3), dtype=np.uint8)


def resnet(architecture, outputs):
    settings = ResNetConfig(
        depths=list(architecture.depths),
        hidden_sizes=list(architecture.widths),
        embedding_size=architecture.stem,
        layer_type="bottleneck",
        num_labels=outputs,
    )
    return ResNetForImageClassification(settings).eval()


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return resnet(TINY, OUTPUTS)


def torchvision_names(depths):
    """Parameter names of torchvision's ResNet, in order, with those of transformers."""
    norm = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    first = "resnet.embedder.embedder"
    pairs = {"conv1.weight": f"{first}.convolution.weight"}
    pairs |= {f"bn1.{part}": f"{first}.normalization.{part}" for part in norm}
    for stage, blocks in enumerate(depths):
        for block in range(blocks):
            theirs = f"layer{stage + 1}.{block}"
            ours = f"resnet.encoder.stages.{stage}.layers.{block}"
            for number in range(3):
                inside = f"{ours}.layer.{number}"
                pairs[f"{theirs}.conv{number + 1}.weight"] = f"{inside}.convolution.weight"
                for part in norm:
                    pairs[f"{theirs}.bn{number + 1}.{part}"] = f"{inside}.normalization.{part}"
            if block == 0:
                pairs[f"{theirs}.downsample.0.weight"] = f"{ours}.shortcut.convolution.weight"
                for part in norm:
                    pairs[f"{theirs}.downsample.1.{part}"] = f"{ours}.shortcut.normalization.{part}"
    return pairs | {f"fc.{part}": f"classifier.1.{part}" for part in ("weight", "bias")}


def test_every_name_of_resnet_101_is_known():
    with torch.device("meta"):
        requested = resnet(_Architecture(), 1000).state_dict().keys()
    pairs = torchvision_names((3, 4, 23, 3))
    assert {theirs: _own_name(theirs) for theirs in pairs} == pairs
    assert set(pairs.values()) == requested
    assert {_own_name(name) for name in requested} == requested


def as_transformers(state, path):
    save_file(state, path)


def as_torchvision(state, path):
    pairs = torchvision_names(TINY.depths)
    torch.save({theirs: state[ours] for theirs, ours in pairs.items()}, path)


def as_trained_in_parallel(state, path):
    pairs = torchvision_names(TINY.depths)
    inner = {f"module.{theirs}": state[ours] for theirs, ours in pairs.items()}
    torch.save({"epoch": 3, "state_dict": inner}, path)


WRITERS = {
    "a.safetensors": as_transformers,
    "b.pth": as_torchvision,
    "c.pth": as_trained_in_parallel,
}


@pytest.mark.parametrize("name", WRITERS)
@torch.no_grad()
def test_vector_is_the_mean_output_over_faces(network, tmp_path, name):
    WRITERS[name](network.state_dict(), tmp_path / name)
    predictions = VisExtNet(ColourFaces(), weights=tmp_path / name, architecture=TINY)
    actual = predictions.extract(Segment())
    images = torch.from_numpy(colours(3)).permute(0, 3, 1, 2) - torch.tensor(_VGGFACE2_MEAN).view(
        1, 3, 1, 1
    )
    expected = network(images).logits.mean(dim=0)
    assert (actual.dtype, actual.shape, predictions.spec.dim) == (np.float32, (OUTPUTS,), OUTPUTS)
    np.testing.assert_allclose(actual, expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(("count", "each"), [(4, 2), (50, 2), (50, 1)])
@torch.no_grad()
def test_faces_are_averaged_within_frames_first(network, weights, count, each):
    """All faces of at most 20 frames, as in the paper."""
    if each == 2:  # the first frame has one face fewer
        count -= 1
    faces = ColourFaces(count=count, each=each)
    actual = VisExtNet(faces, weights=weights, architecture=TINY).extract(Segment())
    views = faces.views(Segment())
    numbers = sorted(set(views.frames.tolist()))
    if len(numbers) > 20:
        step = (len(numbers) - 1) / 19
        numbers = [numbers[round(i * step)] for i in range(20)]
    images = torch.from_numpy(views.crops).permute(0, 3, 1, 2)
    images = images - torch.tensor(_VGGFACE2_MEAN).view(1, 3, 1, 1)
    means = []
    for number in numbers:
        own = [network(images[[i]]).logits[0] for i in np.flatnonzero(views.frames == number)]
        means.append(sum(own) / len(own))
    expected = sum(means) / len(means)
    np.testing.assert_allclose(actual, expected, rtol=1e-3, atol=1e-4)


def test_vectors_of_all_faces_are_marked(weights):
    """Earlier versions averaged differently; vectors of one face per frame are unchanged."""
    specs = [
        VisExtNet(ColourFaces(choice=choice), weights=weights, architecture=TINY).spec
        for choice in ("speaking", "all")
    ]
    assert [spec.settings.get("averaging") for spec in specs] == [None, "by frame"]


@pytest.fixture
def weights(network, tmp_path):
    save_file(network.state_dict(), tmp_path / "weights.safetensors")
    return tmp_path / "weights.safetensors"


def test_no_face_is_absent(weights):
    predictions = VisExtNet(ColourFaces(count=0), weights=weights, architecture=TINY)
    assert predictions.extract(Segment()) == Absent("no face in any frame")


def test_fingerprint_depends_on_weights_faces_and_normalisation(weights, network, tmp_path):
    other = tmp_path / "other.safetensors"
    changed = network.state_dict() | {"classifier.1.bias": torch.ones(OUTPUTS)}
    save_file(changed, other)
    predictions = [
        VisExtNet(ColourFaces(), weights=weights, architecture=TINY),
        VisExtNet(ColourFaces(), weights=other, architecture=TINY),
        VisExtNet(ColourFaces(count=4), weights=weights, architecture=TINY),
        VisExtNet(ColourFaces(), weights=weights, architecture=TINY, deviation=(255.0,) * 3),
    ]
    assert len({extractor.spec.fingerprint for extractor in predictions}) == 4


def test_missing_weights_are_reported():
    with pytest.raises(MmercError, match=r"VisExtNet needs a ResNet-101 checkpoint .* VGGFace2"):
        VisExtNet(ColourFaces(), weights=None)


class Bomb:
    def __reduce__(self):
        return print, ("BOOM",)


@pytest.mark.parametrize("name", ["weights.safetensors", "weights.pth"])
@pytest.mark.parametrize("content", [None, b"", b"PK\x03\x04 no archive", pickle.dumps(Bomb(), 2)])
def test_files_without_tensors_are_refused(tmp_path, capsys, name, content):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match="neither safetensors nor a state dictionary"):
        VisExtNet(ColourFaces(), weights=path, architecture=TINY)
    assert "BOOM" not in capsys.readouterr().out


def test_other_networks_are_refused(network, tmp_path):
    path = tmp_path / "weights.pth"
    for content in ([1, 2], {"layer1.0.conv1.weight": torch.ones(1)}):
        torch.save(content, path)
        with pytest.raises(InputError, match=r"no last layer \(fc\) among its tensors"):
            VisExtNet(ColourFaces(), weights=path, architecture=TINY)
    torch.save(network.state_dict(), path)
    with pytest.raises(InputError, match="its tensors are not those of a ResNet-101"):
        VisExtNet(ColourFaces(), weights=path)
