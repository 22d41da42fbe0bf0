import numpy as np
import pytest

from mmerc.corpora.mosi import _read_mosi
from mmerc.data.preparation import prepare_corpus
from mmerc.errors import InputError, UsageError

WIDTHS = {"text100": 4, "audio73": 3, "video100": 2}


def arrays():
    random = np.random.default_rng(0)
    train = [f"v_{video}_{position}" for video in range(6) for position in (10, 9, 1)]
    content = {}
    for half, names in (("train", train), ("test", ["w_1", "w_2"])):
        content[f"{half}_utt_id"] = np.array(names)
        content[f"{half}_label"] = np.arange(len(names), dtype=np.int8) % 2
        content[f"{half}_transcript"] = np.array([f"words of {name}" for name in names])
        for name, width in WIDTHS.items():
            vectors = random.normal(size=(len(names), width)).astype(np.float32)
            content[f"{half}_{name}"] = vectors
    return content


@pytest.fixture
def write(tmp_path):
    def write_archive(content):
        np.savez(tmp_path / "mosi.npz", **content)
        return tmp_path / "mosi.npz"

    return write_archive


def test_one_conversation_per_video_in_order(write, round_trip):
    content = arrays()
    loaded = round_trip(_read_mosi(write(content)))
    conversations = loaded.splits["train"] + loaded.splits["valid"]
    assert {item.id for item in conversations} == {f"v_{video}" for video in range(6)}
    assert all([u.id for u in item.utterances] == ["1", "9", "10"] for item in conversations)
    assert all(u.speaker == item.id for item in conversations for u in item.utterances)
    vector = loaded.features["audio"].vector("v_0", "9")
    np.testing.assert_array_equal(vector, content["train_audio73"][1])
    assert loaded.splits["test"][0].utterances[1].label == "positive"
    assert loaded.splits["test"][0].utterances[0].text == "words of w_1"


def test_validation_consists_of_complete_seeded_videos(write):
    file = write(arrays())
    held_out = {
        seed: tuple(item.id for item in _read_mosi(file, seed=seed).splits["valid"])
        for seed in range(5)
    }
    assert _read_mosi(file, seed=3).splits["valid"][0].id == held_out[3][0]
    assert len(set(held_out.values())) > 1
    half = _read_mosi(file, valid_share=0.5)
    assert (len(half.splits["train"]), len(half.splits["valid"])) == (3, 3)
    assert "held out with seed 0" in half.remarks[0]
    with pytest.raises(UsageError, match="between 0 and 1"):
        _read_mosi(file, valid_share=1.0)


def test_zeros_are_absent_and_counted(write, round_trip):
    content = arrays()
    content["train_audio73"][4] = 0
    raw = _read_mosi(write(content))
    assert raw.features["audio"]["v_1", "9"] is None
    assert any(note.startswith("1 of 20 audio vectors are all zeros") for note in raw.remarks)
    row = round_trip(raw).features["audio"].rows["v_1", "9"]
    assert row.absent_because == "the corpus was published without it"


def test_missing_modality_and_transcript_are_absent(write, round_trip):
    content = {
        name: value
        for name, value in arrays().items()
        if "video" not in name and "transcript" not in name
    }
    loaded = round_trip(_read_mosi(write(content)))
    assert set(loaded.features) == {"text", "audio"}
    assert loaded.splits["test"][0].utterances[0].text == ""


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("test_label", None, "test_label: the archive contains only"),
        ("test_label", np.array([0, 2]), r"test_label\[1\], label: .* is neither 0 nor 1"),
        ("test_label", np.array([0]), "does not fit 2 utterances"),
        ("test_utt_id", np.array(["w_1", "w2"]), r"test_utt_id\[1\]: cannot read 'w2'"),
        ("test_utt_id", np.array(["w_1", "w_1"]), "utterance id '1' occurs twice"),
        ("test_utt_id", np.array(["v_0_1", "v_0_2"]), "'v_0': occurs twice, in"),
        ("test_label", np.array([{}, {}], dtype=object), "not a complete NPZ archive"),
    ],
)
def test_bad_archive_is_refused(write, name, value, message):
    content = arrays() | {name: value}
    file = write({key: item for key, item in content.items() if item is not None})
    with pytest.raises(InputError, match=message) as caught:
        _read_mosi(file)
    assert "mosi.npz" in str(caught.value)


def test_truncated_or_missing_archive_is_refused(write, tmp_path):
    file = write(arrays())
    file.write_bytes(file.read_bytes()[:500])
    with pytest.raises(InputError, match="not a complete NPZ archive"):
        _read_mosi(file)
    with pytest.raises(InputError, match="no such file"):
        _read_mosi(tmp_path / "other.npz")


def test_nan_is_refused_in_preparation(write, tmp_path):
    content = arrays()
    content["train_text100"][0, 2] = np.nan
    message = "'mosi', text vector of conversation 'v_0', '10': number 2 is nan"
    with pytest.raises(InputError, match=message):
        prepare_corpus("mosi", write(content), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_real_counts(shared_data):
    raw = _read_mosi(shared_data / "mosi" / "mosi_trimodal.npz")
    counts = {
        split: (sum(len(item) for item in conversations), len(conversations))
        for split, conversations in raw.splits.items()
    }
    assert counts["test"] == raw.published["test"] == (752, 31)
    both = np.array(counts["train"]) + np.array(counts["valid"])
    assert tuple(both) == (1447, 62)
    assert {name: len(next(iter(v.values()))) for name, v in raw.features.items()} == {
        "text": 100,
        "audio": 73,
        "video": 100,
    }


def test_text_and_video_of_the_training_videos_saw_their_labels(write):
    raw = _read_mosi(write(arrays()))
    assert raw.saw_labels == {"text", "video"}
    assert any("trained on those labels" in note for note in raw.remarks)
