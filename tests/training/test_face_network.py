"""Training of the face network: inputs, scores, and interruption."""

import csv
import json
import math
import os
import signal
import zlib
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import load_file

from fer2013 import draw_face, encoded, fer_rows, write
from mmerc.errors import InputError, UsageError
from mmerc.features.denseface.extractor import DenseFace
from mmerc.features.speaker_faces import SpeakerFaces
from mmerc.files import file_fingerprint
from mmerc.media.segment import Segment
from mmerc.precision import fast_bfloat16
from mmerc.processes import worker_context
from mmerc.training.face_network.config import FaceNetworkConfig
from mmerc.training.face_network.face_module import (
    FaceBatches,
    _create_network,
    _create_optimizer,
    _mixup_loss,
    _resize_faces,
)
from mmerc.training.face_network.face_scores import _count_scores
from mmerc.training.face_network.images import EMOTIONS, _reserved, read_faces
from mmerc.training.face_network.train_faces import train_face_network

SHORT = FaceNetworkConfig(epochs=2, batch_size=8, learning_rate=0.02, weight_averaging=0.5)
VARIANTS = {
    "sgd": SHORT,
    "adamw": SHORT.model_copy(
        update={"optimizer": "adamw", "mixup": 0.4, "label_smoothing": 0.0, "learning_rate": 1e-3}
    ),
}


@pytest.fixture(scope="module")
def parquet(tmp_path_factory):
    return write(fer_rows(), tmp_path_factory.mktemp("faces") / "fer2013.parquet")


def corrupted(rows, path, *, where):
    """The same file with some images replaced by other bytes."""
    return write([{**row, "jpeg": b"none"} if where(row) else row for row in rows], path)


def test_faces_are_read_unchanged(parquet):
    faces = read_faces(parquet, "PublicTest")
    assert faces.images.shape == (6, 1, 48, 48)
    assert faces.labels.tolist() == [number % 2 for number in range(6)]
    expected = draw_face(1, zlib.crc32(b"PublicTest3"))
    assert np.array_equal(faces.images[3, 0], expected)


def test_reserved_quarter_is_never_used(parquet, tmp_path):
    rows = fer_rows()
    kept = [row for row in rows if row["usage"] == "Training" and not _reserved(row["name"])]
    held = [row["name"] for row in rows if row["usage"] == "Training" and _reserved(row["name"])]
    assert held == [f"Training_{n}" for n in range(20) if zlib.crc32(b"Training_%d" % n) % 4 == 0]
    assert 2 < len(held) < 10
    other = corrupted(rows, tmp_path / "fer.parquet", where=lambda row: row["name"] in held)
    assert torch.equal(read_faces(other, "Training").images, read_faces(parquet, "Training").images)
    assert len(read_faces(parquet, "Training")) == len(kept)


def columns(**changes):
    return [{name: changes.get(name, value) for name, value in row.items()} for row in fer_rows()]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{k: v for k, v in row.items() if k != "usage"} for row in fer_rows()], "columns"),
        (columns(jpeg="text"), "types of columns"),
        (columns(usage="PublicTest"), "no face for Training in it; give the whole of FER2013"),
        (columns(label="bored"), "Training_[0-9]+ has the label 'bored'; use angry, disgust"),
        (columns(jpeg=b"none"), r"fer\.parquet, Training_[0-9]+, picture: "),
    ],
    ids=["no usage", "text", "no training", "label", "picture"],
)
def test_file_other_than_fer2013_is_refused(tmp_path, rows, message):
    with pytest.raises(InputError, match=message):
        read_faces(write(rows, tmp_path / "fer.parquet"), "Training")


@pytest.mark.parametrize("content", [None, b"PAR1"])
def test_file_that_is_not_parquet_is_refused(tmp_path, content):
    path = tmp_path / "fer.parquet"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=r"fer\.parquet: "):
        train_face_network(path, tmp_path / "out", SHORT, report=print)
    with pytest.raises(InputError, match=r"fer\.parquet: not a readable Parquet file"):
        read_faces(path, "Training")


@pytest.mark.parametrize(
    "settings", [{"epochs": 0}, {"optimizer": "lion"}, {"augmentation": {"flip": 2}}, {"speed": 1}]
)
def test_invalid_configuration_is_refused(settings):
    with pytest.raises(ValidationError):
        FaceNetworkConfig.model_validate(settings)


def test_scores_match_a_calculation_by_hand():
    labels = torch.tensor([0, 0, 3, 3, 3, 6])
    right = torch.tensor([True, False, True, True, False, True])
    scores = _count_scores(right, labels)
    assert scores.accuracy == pytest.approx(66.6667)
    assert scores.per_class == dict.fromkeys(EMOTIONS) | {
        "angry": 50.0, "happy": 66.67, "neutral": 100.0
    }  # fmt: skip


def test_training_fits_one_batch(parquet):
    """Eight steps on the same faces bring the loss of guessing (ln 7) far down."""
    config = FaceNetworkConfig(epochs=8, batch_size=8, learning_rate=0.05, label_smoothing=0)
    faces = read_faces(parquet, "Training")
    images, labels = faces.images[:8].float(), faces.labels[:8]
    network = _create_network(config.seed).train()
    optimizer, losses = _create_optimizer(network, config), []
    for _ in range(8):
        loss = _mixup_loss(network, images, labels, share=1.0, config=config)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[0] > 0.5 * math.log(7)
    assert losses[-1] < 0.3 * losses[0]


def test_mixup_combines_the_losses_of_both_labels(parquet):
    config = SHORT.model_copy(update={"bfloat16": False, "label_smoothing": 0.0})
    faces = read_faces(parquet, "Training")
    images, labels = faces.images[:8].float(), faces.labels[:8]

    def loss(share, images, labels):
        network = _create_network(config.seed)
        return float(_mixup_loss(network, images, labels, share=share, config=config).detach())

    mixed = 0.3 * images + 0.7 * images.roll(1, 0)
    own, other = loss(1.0, mixed, labels), loss(1.0, mixed, labels.roll(1))
    assert own != pytest.approx(other, rel=1e-3)
    assert loss(0.3, images, labels) == pytest.approx(0.3 * own + 0.7 * other, rel=1e-4)


def test_first_epochs_can_use_smaller_faces(parquet):
    config = SHORT.model_copy(update={"epochs": 4, "early_side": 24, "early_share": 0.5})
    assert [config.side_in(epoch) for epoch in range(4)] == [24, 24, 48, 48]
    batches, sides = FaceBatches(read_faces(parquet, "Training"), config), []
    for epoch in range(4):
        batches.epoch = epoch
        shapes = [images.shape for images, _, _ in batches]
        assert len(shapes) == len(batches)
        sides.append({shape[-1] for shape in shapes})
    assert sides == [{24}, {24}, {48}, {48}]


def test_smaller_face_keeps_its_content():
    image = torch.arange(48.0).expand(1, 1, 48, 48)
    pairs = image.reshape(1, 1, 24, 2, 24, 2).mean(dim=(3, 5))
    torch.testing.assert_close(_resize_faces(image, 24)[..., 2:-2], pairs[..., 2:-2])
    assert _resize_faces(image, 48) is image


class Stop(Exception):
    pass


def stopping_after(epoch):
    """A report function that interrupts training after an epoch."""

    def report(line):
        if line.startswith(f"epoch {epoch}/"):
            raise Stop

    return report


@dataclass(frozen=True)
class Kill:
    """A report function that kills its process after an epoch."""

    epoch: int

    def __call__(self, line):
        if line.startswith(f"epoch {self.epoch}/"):
            os.kill(os.getpid(), signal.SIGKILL)


def history(out):
    with open(out / "history.csv", newline="") as file:
        return [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)]


@pytest.fixture(scope="module", params=VARIANTS)
def whole(request, parquet, tmp_path_factory):
    """An uninterrupted training: its configuration, folder, result and reports."""
    out, message = tmp_path_factory.mktemp("whole"), []
    result = train_face_network(parquet, out, VARIANTS[request.param], report=message.append)
    return VARIANTS[request.param], out, result, message


def check_same(out, other):
    assert history(other) == history(out)
    for name in ("weights.safetensors", "result.json"):
        assert (other / name).read_bytes() == (out / name).read_bytes()
    names = ["history.csv", "result.json", "weights.safetensors"]
    assert sorted(path.name for path in other.iterdir()) == names


@pytest.mark.parametrize("whole", ["adamw"], indirect=True)
def test_interrupted_training_equals_an_uninterrupted_one(parquet, whole, tmp_path):
    config, out, result, _ = whole
    for epoch in (1, 2):
        with pytest.raises(Stop):
            train_face_network(parquet, tmp_path, config, report=stopping_after(epoch))
        assert len(history(tmp_path)) == epoch
    assert train_face_network(parquet, tmp_path, config, report=stopping_after(2)) == result
    check_same(out, tmp_path)


@pytest.mark.parametrize("whole", ["sgd"], indirect=True)
def test_killed_training_equals_an_uninterrupted_one(parquet, whole, tmp_path):
    config, out, result, _ = whole
    child = worker_context().Process(
        target=train_face_network, args=(parquet, tmp_path, config), kwargs={"report": Kill(1)}
    )
    child.start()
    child.join()
    assert child.exitcode == -signal.SIGKILL
    assert len(history(tmp_path)) == 1
    assert train_face_network(parquet, tmp_path, config, report=stopping_after(1)) == result
    check_same(out, tmp_path)


def test_training_writes_the_expected_files(parquet, whole):
    config, out, result, message = whole
    value = json.loads((out / "result.json").read_text())
    weights = load_file(out / "weights.safetensors")
    assert {str(t.dtype) for t in weights.values()} == {"torch.float16", "torch.int64"}
    assert value["sha256"] == file_fingerprint(out / "weights.safetensors")
    assert value["faces_sha256"] == file_fingerprint(parquet)
    assert value["labels"] == list(EMOTIONS)
    assert value["images"] == len(read_faces(parquet, "Training"))
    assert value["config"] == config.model_dump(mode="json")
    assert list(value["private"]["per_class"]) == list(EMOTIONS)
    assert [name for name, share in value["public"]["per_class"].items() if share is not None] == [
        "angry", "disgust"
    ]  # fmt: skip
    accuracies = [float(row["public_accuracy"]) for row in history(out)]
    assert result.epoch == 1 + accuracies.index(max(accuracies))
    assert len(message) == 2
    assert "PublicTest accuracy" in message[0]


@pytest.mark.parametrize("whole", ["sgd"], indirect=True)
def test_trained_weights_load_in_an_extractor(parquet, whole):
    _, out, _, _ = whole
    denseface = DenseFace(SpeakerFaces(), weights=out / "weights.safetensors")
    vector = denseface.extract(
        Segment(pictures=(encoded(draw_face(0, 0)), encoded(draw_face(1, 1))))
    )
    assert vector.shape == (342,)
    assert np.isfinite(vector).all()


def test_finished_training_is_not_trained_again(parquet, whole):
    config, out, result, _ = whole
    before = (out / "weights.safetensors").stat().st_mtime_ns
    message = []
    assert train_face_network(parquet, out, config, report=message.append) == result
    assert message == []
    assert (out / "weights.safetensors").stat().st_mtime_ns == before


@pytest.mark.parametrize("whole", ["sgd"], indirect=True)
def test_another_training_is_not_overwritten(parquet, whole, tmp_path):
    config, out, _, _ = whole
    other = config.model_copy(update={"seed": 1})
    with pytest.raises(InputError, match="a training with other settings or other faces"):
        train_face_network(parquet, out, other, report=print)
    with pytest.raises(Stop):
        train_face_network(parquet, tmp_path, config, report=stopping_after(1))
    with pytest.raises(InputError, match="a training with other settings or other faces"):
        train_face_network(parquet, tmp_path, other, report=print)


def test_private_split_is_opened_only_on_request(parquet, tmp_path):
    once = SHORT.model_copy(update={"epochs": 1})
    path = tmp_path / "fer.parquet"
    path.write_bytes(parquet.read_bytes())
    closed = train_face_network(path, tmp_path / "out", once, test=False, report=print)
    assert closed.private is None
    assert json.loads((tmp_path / "out" / "result.json").read_text())["private"] is None
    opened = train_face_network(path, tmp_path / "out", once, report=print)
    assert opened.private is not None
    assert opened.model_copy(update={"private": None}) == closed
    assert opened == train_face_network(path, tmp_path / "out", once, test=False, report=print)


@pytest.mark.parametrize("whole", ["sgd"], indirect=True)
def test_training_can_start_from_weights(parquet, whole, tmp_path):
    """Frozen parts, including batch norms, are unchanged; the rest is trained."""
    start = whole[1] / "weights.safetensors"
    config = FaceNetworkConfig(epochs=1, batch_size=8, frozen_blocks=2, equalise=True)
    result = train_face_network(parquet, tmp_path, config, initial=start, report=print)
    assert result.initial_sha256 == file_fingerprint(start)
    before, after = load_file(start), load_file(tmp_path / "weights.safetensors")
    frozen = {f"maps.{number}." for number in range(34)}
    for name, value in before.items():
        part = ".".join(name.split(".")[:2]) + "."
        if part in frozen:
            assert torch.equal(after[name], value) or "num_batches" in name, name
    changed = [name for name, value in before.items() if not torch.equal(after[name], value)]
    assert {"classifier.weight", "maps.35.grow.weight"} <= set(changed)
    with pytest.raises(InputError, match="a training with other settings or other faces"):
        train_face_network(parquet, tmp_path, config, initial="denseface", report=print)


def test_frozen_blocks_need_weights(parquet, tmp_path):
    config = SHORT.model_copy(update={"frozen_blocks": 1})
    with pytest.raises(UsageError, match="frozen_blocks needs initial weights; give them"):
        train_face_network(parquet, tmp_path, config, report=print)


def test_missing_initial_weights_are_refused(parquet, tmp_path):
    with pytest.raises(InputError, match=r"nothing\.safetensors"):
        train_face_network(
            parquet, tmp_path, SHORT, initial=tmp_path / "nothing.safetensors", report=print
        )


def test_private_split_is_opened_only_after_training(tmp_path):
    """With unreadable PrivateTest faces, every epoch is still trained."""
    path = tmp_path / "fer.parquet"
    corrupted(fer_rows(), path, where=lambda row: row["usage"] == "PrivateTest")
    message, once = [], SHORT.model_copy(update={"epochs": 1})
    with pytest.raises(InputError, match="PrivateTest_0"):
        train_face_network(path, tmp_path, once, report=message.append)
    assert len(message) == 1


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a graphics card")
def test_training_on_a_gpu(parquet, tmp_path):
    assert fast_bfloat16("cuda")
    result = train_face_network(parquet, tmp_path, SHORT, device="cuda", report=print)
    assert len(history(tmp_path)) == 2
    assert result.images == len(read_faces(parquet, "Training"))
