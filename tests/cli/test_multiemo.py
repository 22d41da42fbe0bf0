"""MultiEMO from a manifest: absent modalities in training, and vectors of a 3D-CNN."""

import json

import pytest

SMALL = ("width", "feed_forward_width", "classifier_width", "audio_width")


def settings(*changes):
    own = [f"model.{name}=16" for name in SMALL]
    own += ["model.layers=1", "training.epochs=1", "training.seeds=1", *changes]
    return [part for change in own for part in ("--set", change)]


@pytest.fixture
def train(mmerc, trimodal_corpus, tmp_path):
    """A function that trains a small ``multiemo-meld``."""

    def call(*changes, corpus=trimodal_corpus):
        arguments = ("--recipe", "multiemo-meld", "--corpus", corpus, "--out", tmp_path / "run")
        return mmerc("train", *arguments, "--quiet", *settings(*changes))

    return call


def test_trains_and_predicts_with_absent_modalities(train, done, write_manifest, tmp_path):
    """A manifest without audio or faces in the complete conversation."""
    assert train("training.modality_dropout=0.4").code == 0
    said = [
        {"id": str(i), "speaker": "ab"[i % 2], "text": "", "features": {"text": [0.5 * i] * 6}}
        for i in range(3)
    ]
    file = write_manifest(tmp_path / "a.jsonl", [{"id": "c", "utterances": said}])
    answers = done("predict", file, "--model", tmp_path / "run").out
    for line in answers.splitlines():
        value = json.loads(line)
        assert value["effects"] == {"text": None, "audio": None, "video": None}  # nothing else
        assert value["context_effect"] is not None


def test_vectors_of_a_3d_cnn_are_read_from_a_manifest(train):
    assert train("model.ablations=[-VisExtNet]").code == 0


def manifest_of(video):
    """Conversations of every split with video vectors of width ``video``."""
    return [
        {
            "id": split,
            "split": split,
            "utterances": [
                {
                    "id": str(i), "speaker": "a", "text": "yes", "label": ("glad", "sad")[i],
                    "features": {"text": [0.5 + i] * 4, "audio": [1.0 - i] * 4}
                    | ({"video": [0.1 * i] * video} if video else {}),
                }
                for i in range(2)
            ],
        }
        for split in ("train", "valid", "test")
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("video", "message"), [(1000, "-VisExtNet needs a 3D-CNN's"), (0, "no video vectors")]
)
def test_missing_vectors_are_refused(train, done, write_manifest, tmp_path, video, message):
    file = write_manifest(tmp_path / "m.jsonl", manifest_of(video))
    done("prepare", "manifest", file, "--out", tmp_path / "corpus")
    outcome = train("model.ablations=[-VisExtNet]", corpus=tmp_path / "corpus")
    assert outcome.code != 0
    assert message in outcome.sentence
    assert not (tmp_path / "run" / "result.json").exists()


def test_invalid_number_is_refused(mmerc, write_manifest, tmp_path):
    conversations = manifest_of(3)
    conversations[0]["utterances"][1]["features"]["video"][1] = float("nan")
    file = write_manifest(tmp_path / "m.jsonl", conversations)
    outcome = mmerc("prepare", "manifest", file, "--out", tmp_path / "corpus")
    assert outcome.code != 0
    assert outcome.sentence
    assert not (tmp_path / "corpus").exists()
