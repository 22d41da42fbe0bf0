"""DenseFace: the paper's network, faces from pictures, one vector per utterance."""

import json
from dataclasses import dataclass, replace
from fractions import Fraction

import av
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import nn

from mmerc.errors import InputError, MmercError
from mmerc.features.base import Absent
from mmerc.features.denseface import extractor
from mmerc.features.denseface.averaging import weigh_faces
from mmerc.features.denseface.equalisation import equalise
from mmerc.features.denseface.extractor import (
    DenseFace,
    evenly,
    grey_face,
    load_network,
    source_settings,
)
from mmerc.features.denseface.network import MEAN, DenseNet, normalise
from mmerc.features.denseface.versions import VERSIONS, FaceVersion, locate_shipped_weights
from mmerc.features.registry import NamedExtractor
from mmerc.features.speaker_faces import SpeakerFaces
from mmerc.files import file_fingerprint
from mmerc.media.faces.alignment import align_face
from mmerc.media.faces.views import FaceViews
from mmerc.media.segment import Segment
from mmerc.training.face_network.images import EMOTIONS


def some_network(seed=0):
    """A network whose batch norms have non-trivial statistics, as after training."""
    torch.manual_seed(seed)
    network = DenseNet()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(std=0.1)
            module.running_var.uniform_(0.5, 2)
    return network.eval()


def write_weights(path, network):
    half = {n: t.half() if t.is_floating_point() else t for n, t in network.state_dict().items()}
    save_file(half, path)
    return path


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "weights.safetensors"
    return write_weights(path, some_network())


@dataclass(frozen=True)
class TheseFaces:
    """A face source for given crops."""

    count: int

    def crops(self, segment):
        return Absent("no face in any frame") if not self.count else faces(self.count)

    def views(self, segment):
        crops = self.crops(segment)
        frontality = np.linspace(0.2, 1, self.count)
        return (
            crops
            if isinstance(crops, Absent)
            else FaceViews(crops, frontality, np.arange(len(crops)))
        )


def faces(count, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, 48, 48), dtype=np.uint8)


def picture(pixels, codec="png", form="gray"):
    """An encoded grey image."""
    encoder = av.CodecContext.create(codec, "w")
    encoder.height, encoder.width = pixels.shape[:2]
    encoder.pix_fmt, encoder.time_base = form, Fraction(1, 25)
    frame = av.VideoFrame.from_ndarray(pixels, format="gray").reformat(format=form)
    return b"".join(bytes(packet) for packet in [*encoder.encode(frame), *encoder.encode(None)])


def test_network_equals_the_paper():
    """DenseNet-BC of depth 100 and growth 12: 0.8 million parameters (Table 2)."""
    network = DenseNet()
    weighted = [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    assert len(weighted) == 100
    assert round(sum(p.numel() for p in network.parameters()) / 1e6, 1) == 0.8
    assert network.classifier.in_features == 342
    strides = [m.stride for m in network.modules() if isinstance(m, nn.Conv2d)]
    assert strides == [(2, 2)] + [(1, 1)] * 98


def slow_forward(network, images):
    """The network as in the paper: each layer reads all earlier maps of its block."""
    state = network.state_dict()
    numbers = iter(range(len(network.maps)))

    def norm_relu(maps, name):
        mean, variance, weight, bias = (
            state[f"{name}.{part}"].view(1, -1, 1, 1)
            for part in ("running_mean", "running_var", "weight", "bias")
        )
        return ((maps - mean) / (variance + 1e-5).sqrt() * weight + bias).clamp(min=0)

    maps = F.conv2d(images, state[f"maps.{next(numbers)}.weight"], stride=2, padding=1)
    for block in range(3):
        if block:
            name = f"maps.{next(numbers)}"
            maps = F.avg_pool2d(
                F.conv2d(norm_relu(maps, f"{name}.0"), state[f"{name}.2.weight"]), 2
            )
        before = [maps]
        for _ in range(16):
            name = f"maps.{next(numbers)}"
            joined = torch.cat(before, dim=1)
            small = F.conv2d(norm_relu(joined, f"{name}.norm1"), state[f"{name}.reduce.weight"])
            grow = state[f"{name}.grow.weight"]
            before.append(F.conv2d(norm_relu(small, f"{name}.norm2"), grow, padding=1))
        maps = torch.cat(before, dim=1)
    vectors = norm_relu(maps, f"maps.{next(numbers)}").mean(dim=(2, 3))
    return vectors, F.linear(vectors, state["classifier.weight"], state["classifier.bias"])


@torch.no_grad()
def test_forward_matches_a_calculation_by_hand():
    network = some_network()
    images = normalise(torch.from_numpy(faces(3))[:, None])
    actual = network(images)
    vectors, logits = slow_forward(network, images)
    assert (actual.vectors.shape, actual.logits.shape) == ((3, 342), (3, 7))
    torch.testing.assert_close(actual.vectors, vectors, atol=1e-4, rtol=1e-3)
    torch.testing.assert_close(actual.logits, logits, atol=1e-4, rtol=1e-3)


def test_normalised_grey():
    levels = normalise(torch.tensor([0, 255, round(255 * MEAN)], dtype=torch.uint8))
    assert levels[0] < -1
    assert levels[1] > 1
    assert abs(levels[2]) < 0.01


def test_vector_does_not_depend_on_the_batch(weights):
    face_vectors = DenseFace(SpeakerFaces(), weights=weights)
    crops = faces(70)  # more than one batch
    together = face_vectors.vectors_of(crops)
    alone = np.concatenate([face_vectors.vectors_of(crops[i : i + 1]) for i in (0, 40, 69)])
    assert (together.dtype, together.shape) == (np.float32, (70, 342))
    np.testing.assert_allclose(together[[0, 40, 69]], alone, atol=0.02, rtol=0.05)
    assert np.abs(together[0] - together[69]).max() > 0.1


@torch.no_grad()
def test_utterance_is_the_mean_of_twenty_faces(weights, monkeypatch):
    monkeypatch.setattr(extractor, "fast_bfloat16", lambda _: False)
    actual = DenseFace(TheseFaces(39), weights=weights).extract(Segment())
    network = extractor.load_network(weights)
    chosen = torch.from_numpy(faces(39)[0:39:2])[:, None]
    expected = network(normalise(chosen)).vectors.mean(dim=0)
    assert (actual.dtype, actual.shape) == (np.float32, (342,))
    np.testing.assert_allclose(actual, expected, atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_second_version_equalises_and_weights_faces(weights, monkeypatch):
    monkeypatch.setattr(extractor, "fast_bfloat16", lambda _: False)
    actual = DenseFace(TheseFaces(3), weights=weights, version="denseface-2").extract(Segment())
    network, crops = extractor.load_network(weights), faces(3)
    vectors = network(normalise(equalise(torch.from_numpy(crops)[:, None]))).vectors.numpy()
    weight = weigh_faces(crops, np.linspace(0.2, 1, 3))
    assert weight[2] > 4 * weight[0]
    assert actual.dtype == np.float32
    np.testing.assert_allclose(actual, weight @ vectors, atol=1e-5, rtol=1e-4)
    plain = DenseFace(TheseFaces(3), weights=weights, version="denseface-2-plain")
    np.testing.assert_allclose(plain.extract(Segment()), vectors.mean(0), atol=1e-5, rtol=1e-4)


def test_versions_differ_in_fingerprint_and_the_first_is_unchanged(weights):
    specs = [DenseFace(SpeakerFaces(), weights=weights, version=name).spec for name in VERSIONS]
    assert [spec.extractor for spec in specs] == list(VERSIONS)
    assert len({spec.fingerprint for spec in specs}) == len(specs)
    first = {name for name in specs[0].settings if not name.startswith("source")}
    assert first == {"weights", "faces", "precision"}  # fingerprints of existing stores
    assert specs[1].settings["average"] == "weighted"
    assert specs[2].settings["average"] == "plain"


@pytest.mark.parametrize("name", VERSIONS)
def test_version_is_found_by_name(name):
    built = NamedExtractor(name)()
    assert built.spec.extractor == name
    assert built.spec.settings["weights"] == file_fingerprint(VERSIONS[name].weights)
    absent = built.extract(Segment())
    assert absent == Absent("no film or picture")


@pytest.mark.parametrize("count", [1, 3, 20])
def test_few_faces_are_all_used(count):
    assert np.array_equal(evenly(faces(count), 20), faces(count))


def test_no_face_is_absent(weights):
    actual = DenseFace(TheseFaces(0), weights=weights).extract(Segment())
    assert actual == Absent("no face in any frame")


def test_grey_image_is_used_unchanged():
    face = faces(1)[0]
    assert np.array_equal(grey_face(picture(face)), face)


def test_image_of_another_size_is_scaled():
    large = np.kron(faces(1)[0] // 32 * 32, np.ones((3, 3), np.uint8))
    for data in (picture(large), picture(large, "mjpeg", "yuvj420p")):
        actual = grey_face(data)
        assert actual.shape == (48, 48)
        assert np.abs(actual.astype(int) - faces(1)[0] // 32 * 32).mean() < 12


def test_damaged_images_are_left_out():
    crops = faces(2)
    pictures = (picture(crops[0]), b"\xff\xd8\xff nothing", picture(crops[1])[:90])
    actual = SpeakerFaces().views(Segment(pictures=pictures)).crops
    assert np.array_equal(actual, crops[:1])


@pytest.mark.parametrize("pictures", [(), (b"",), (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")])
def test_images_without_a_face_are_absent(weights, pictures):
    actual = DenseFace(SpeakerFaces(), weights=weights).extract(Segment(pictures=pictures))
    assert isinstance(actual, Absent)
    assert (actual.reason == "no film or picture") == (not pictures)


def test_fingerprint_depends_on_how_speaking_faces_are_chosen():
    assert source_settings(SpeakerFaces())["source.rule"] == "lip sync"
    assert "source.rule" not in source_settings(SpeakerFaces(choice="largest"))


def test_fingerprint_depends_on_weights_faces_and_number_format(weights, tmp_path, monkeypatch):
    other = write_weights(tmp_path / "other.safetensors", some_network(seed=1))
    predictions = [
        DenseFace(SpeakerFaces(), weights=weights),
        DenseFace(TheseFaces(3), weights=weights),
        DenseFace(TheseFaces(4), weights=weights),
        DenseFace(SpeakerFaces(), weights=other),
    ]
    monkeypatch.setattr(extractor, "fast_bfloat16", lambda _: predictions[0].spec is None)
    changed = DenseFace(SpeakerFaces(), weights=weights)
    differ = changed.spec.settings["precision"] != predictions[0].spec.settings["precision"]
    prints = {face_vectors.spec.fingerprint for face_vectors in [*predictions, changed]}
    assert len(prints) == 4 + differ
    again = DenseFace(TheseFaces(4), weights=weights).spec
    assert replace(again, settings={**again.settings, "precision": "?"}) == replace(
        predictions[2].spec, settings={**predictions[2].spec.settings, "precision": "?"}
    )


def test_missing_weights_are_reported(monkeypatch, tmp_path):
    monkeypatch.setattr(
        extractor, "VERSIONS", {"denseface": FaceVersion(weights=tmp_path / "weights.safetensors")}
    )
    with pytest.raises(MmercError, match="comes without face weights; train them on FER2013"):
        DenseFace(SpeakerFaces())


def test_shipped_weights_are_checked(monkeypatch, tmp_path, weights):
    shipped = tmp_path / "weights.safetensors"
    shipped.write_bytes(weights.read_bytes())
    monkeypatch.setattr(extractor, "VERSIONS", {"denseface": FaceVersion(weights=shipped)})
    named = DenseFace(SpeakerFaces(), weights=weights).spec
    card = tmp_path / "weights.json"
    card.write_text(json.dumps({"sha256": named.settings["weights"]}))
    assert DenseFace(SpeakerFaces()).spec == named
    write_weights(shipped, some_network(seed=1))
    with pytest.raises(InputError, match="not the weights that were shipped; reinstall mmerc"):
        DenseFace(SpeakerFaces())
    card.write_text("[]")
    with pytest.raises(InputError, match="not the weights that were shipped"):
        DenseFace(SpeakerFaces())


def test_other_files_are_refused(tmp_path):
    path = tmp_path / "weights.safetensors"
    with pytest.raises(InputError, match=r"weights\.safetensors: not a readable safetensors file"):
        DenseFace(SpeakerFaces(), weights=path)
    path.write_bytes(b"weights")
    with pytest.raises(InputError, match=r"weights\.safetensors: not a readable safetensors file"):
        DenseFace(SpeakerFaces(), weights=path)
    save_file({"classifier.bias": torch.zeros(7)}, path)
    with pytest.raises(InputError, match="its tensors are not those of the face network"):
        DenseFace(SpeakerFaces(), weights=path)


def test_shipped_weights_recognise_a_real_smile():
    """A photograph through detection, alignment and network: an error in any step shows here."""
    astronaut = pytest.importorskip("skimage.data", reason="scikit-image is missing").astronaut()
    (actual,) = SpeakerFaces().detector.detect([astronaut])
    crop = align_face(astronaut, actual[0].landmarks, size=48, grey=True)
    network = load_network(locate_shipped_weights(VERSIONS["denseface"]))
    logits = network(normalise(torch.from_numpy(crop)[None, None])).logits
    assert EMOTIONS[int(logits.argmax())] == "happy"
    assert logits.softmax(-1).max() > 0.5


def test_any_number_of_faces_uses_few_batch_sizes(weights, monkeypatch):
    """Kernels compiled for a number of faces stay in memory."""
    dense, seen = DenseFace(TheseFaces(1), weights=weights), set()
    dense.bfloat16 = False
    dense.network.register_forward_pre_hook(lambda module, inputs: seen.add(len(inputs[0])))
    for count in (1, 3, 7, 20, 67):
        vectors = dense.vectors_of(faces(count))
        one_by_one = [dense.vectors_of(face[None])[0] for face in faces(count)[-3:]]
        np.testing.assert_allclose(vectors[-3:], one_by_one, atol=1e-4)
        assert vectors.shape == (count, 342)
    assert seen == {1, 2, 4, 20, 64}
