import json
import os
import pickle
import shutil

import numpy as np
import pytest
from folders import assert_files

GOOD = {
    "id": "c",
    "split": "train",
    "utterances": [
        {"id": "1", "speaker": "a", "text": "well", "label": "calm", "start": 1, "end": 2},
        {"id": "2", "speaker": "b", "text": "yes", "label": "glad", "start": 3, "end": 4},
    ],
}


def changed(utterance=1, **more):
    """The valid conversation with one utterance changed."""
    utterances = [dict(item) for item in GOOD["utterances"]]
    utterances[utterance].update(more)
    return GOOD | {"utterances": utterances}


def without(key):
    utterances = [{k: v for k, v in item.items() if k != key} for item in GOOD["utterances"]]
    return GOOD | {"utterances": utterances}


def vectors(first, second, modality="audio"):
    actual = changed(0, features={modality: first})
    actual["utterances"][1]["features"] = {modality: second}
    return actual


MANIFESTS = {
    "no text": (without("text"), "text"),
    "no speaker": (without("speaker"), "speaker"),
    "no split": ({k: v for k, v in GOOD.items() if k != "split"}, "split"),
    "unknown split": (GOOD | {"split": "dev"}, "split"),
    "unknown key": (changed(emotion="glad"), "emotion"),
    "label of another type": (changed(label=3), "label"),
    "duplicate utterance": (changed(id="1"), "'1'"),
    "no utterance": (GOOD | {"utterances": []}, "utterances"),
    "before its media": (changed(media="a.wav", media_start=9), "media"),
    "end before start": (changed(end=2.5), "ends at"),
    "negative time": (changed(0, start=-1), "start"),
    "vector with NaN": (vectors([1, float("nan")], [1, 2]), "audio"),
    "vector with infinity": (vectors([1, 2], [1, float("inf")]), "audio"),
    "vector too large": (vectors([1, 2], [1, 1e300]), "audio"),
    "vectors of two widths": (vectors([1, 2], [1, 2, 3]), "width"),
    "empty vector": (vectors([1, 2], []), "audio"),
    "unknown modality": (vectors([1, 2], [1, 2], modality="smell"), "smell"),
    "vector of words": (vectors([1, 2], ["a", "b"]), "audio"),
    "not JSON": ('{"id": "c", ', "not JSON"),
    "not an object": ("[1, 2]", "line 2"),
    "nested too deep": ("[" * 100_000, "deep"),
    "half a character": (json.dumps(changed(text="x")).replace('"x"', r'"\ud800"'), "text"),
    "empty id": (changed(id=""), "id"),
}


@pytest.mark.parametrize("case", MANIFESTS)
def test_bad_manifest_line(mmerc, write_manifest, tmp_path, case):
    line, named = MANIFESTS[case]
    file = write_manifest(tmp_path / "my.jsonl", [GOOD | {"id": "b"}, line])
    outcome = mmerc("prepare", "manifest", file, "--out", tmp_path / "out")
    assert (outcome.code, outcome.out) == (1, "")
    assert named in outcome.sentence
    assert str(file) in outcome.sentence or "'my'" in outcome.sentence
    assert_files(tmp_path, ["my.jsonl"])


@pytest.mark.parametrize(
    ("conversations", "named"),
    [([GOOD, GOOD], "conversation id"), ([], "no conversation"), (["", " "], "no conversation")],
)
def test_bad_manifest_file(mmerc, write_manifest, tmp_path, conversations, named):
    file = write_manifest(tmp_path / "my.jsonl", conversations)
    outcome = mmerc("prepare", "manifest", file, "--out", tmp_path / "out")
    assert outcome.code == 1
    assert named in outcome.sentence
    assert_files(tmp_path, ["my.jsonl"])


@pytest.mark.parametrize(
    ("labels", "named"),
    [("meld", "'calm'"), ("none.txt", "no such file"), ("one.txt", "two or more"),
     ("twice.txt", "different"), ("bad.json", "not JSON"), ("bytes.txt", "UTF-8")],
)  # fmt: skip
def test_mismatched_labels(mmerc, write_manifest, tmp_path, labels, named):
    source = tmp_path / "source"
    source.mkdir()
    file = write_manifest(source / "my.jsonl", [GOOD])
    for name, content in {"one.txt": "calm", "twice.txt": "calm\ncalm", "bad.json": "["}.items():
        (source / name).write_text(content)
    (source / "bytes.txt").write_bytes(b"\xff\xff")
    chosen = source / labels if "." in labels else labels
    outcome = mmerc("prepare", "manifest", file, "--labels", chosen, "--out", tmp_path / "out")
    assert outcome.code == 1
    assert named in outcome.sentence
    assert_files(tmp_path, ["source"])


MELD = (
    "Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID,Season,Episode,"
    "StartTime,EndTime"
)


@pytest.mark.parametrize(
    ("head", "row", "named"),
    [
        (MELD.replace("Emotion", "Mood"), "1,well,a,joy,positive,0,0,1,1,0,0", "Emotion"),
        (MELD, "1,well,a,bliss,positive,0,0,1,1,\"00:00:01,000\",\"00:00:02,000\"", "bliss"),
    ],
)  # fmt: skip
def test_bad_table(mmerc, tmp_path, head, row, named):
    (tmp_path / "meld").mkdir()
    for name in ("train_sent_emo.csv", "dev_sent_emo.csv", "test_sent_emo.csv"):
        (tmp_path / "meld" / name).write_text(f"{head}\n{row}\n")
    outcome = mmerc("prepare", "meld", tmp_path / "meld", "--out", tmp_path / "out")
    assert outcome.code == 1
    assert named in outcome.sentence
    assert_files(tmp_path, ["meld"])


@pytest.mark.parametrize("command", ["meld", "mosi", "composed", "manifest", "feature-pickle"])
def test_missing_sources(mmerc, tmp_path, command):
    more = ("--labels", "meld") if command == "feature-pickle" else ()
    outcome = mmerc("prepare", command, tmp_path / "none", "--out", tmp_path / "out", *more)
    assert outcome.code == 1
    assert "none" in outcome.sentence
    assert_files(tmp_path, [])


class Bomb:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (os.mkdir, (str(self.path),))


def test_pickle_with_code_is_refused_and_the_code_not_run(mmerc, tmp_path):
    file = tmp_path / "features.pkl"
    file.write_bytes(pickle.dumps((Bomb(tmp_path / "boom"),)))
    outcome = mmerc(
        "prepare", "feature-pickle", file, "--labels", "iemocap", "--out", tmp_path / "out"
    )
    assert outcome.code == 1
    assert "carries code" in outcome.sentence
    assert_files(tmp_path, ["features.pkl"])


@pytest.mark.parametrize("command", ["mosi", "feature-pickle"])
def test_files_of_another_type(mmerc, tmp_path, command):
    more = ("--labels", "meld") if command == "feature-pickle" else ()
    (tmp_path / "file").write_bytes(b"no such thing")
    outcome = mmerc("prepare", command, tmp_path / "file", "--out", tmp_path / "out", *more)
    assert outcome.code == 1
    assert str(tmp_path / "file") in outcome.sentence
    assert_files(tmp_path, ["file"])


def test_arrays_with_objects_are_refused(mmerc, tmp_path):
    np.savez(tmp_path / "x.npz", a=np.array([Bomb(tmp_path / "boom")], dtype=object))
    outcome = mmerc("prepare", "mosi", tmp_path / "x.npz", "--out", tmp_path / "out")
    assert outcome.code == 1
    assert outcome.sentence
    assert_files(tmp_path, ["x.npz"])


def test_folder_in_use_is_not_touched(
    mmerc, trimodal_manifest, trimodal_corpus, small_recipe, tiny_encoder, tmp_path
):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "run.txt").write_text("mine")
    out = ("--out", tmp_path / "out")
    for arguments in (
        ("prepare", "manifest", trimodal_manifest, *out),
        ("encode-text", "--corpus", trimodal_corpus, "--model", tiny_encoder, *out),
        ("train", "--recipe", small_recipe, "--corpus", trimodal_corpus, *out),
    ):
        outcome = mmerc(*arguments)
        assert (outcome.code, outcome.out) == (1, "")
        assert str(tmp_path / "out") in outcome.sentence
        assert_files(tmp_path / "out", ["run.txt"])
    assert_files(tmp_path, ["out"])


def test_file_in_place_of_a_folder(mmerc, trimodal_corpus, small_recipe, tmp_path):
    (tmp_path / "out").write_text("mine")
    arguments = ("--recipe", small_recipe, "--corpus", trimodal_corpus)
    outcome = mmerc("train", *arguments, "--out", tmp_path / "out")
    assert outcome.code == 1
    assert str(tmp_path / "out") in outcome.sentence
    assert (tmp_path / "out").read_text() == "mine"


# Evaluation and prediction


def test_labels_that_differ_from_the_models(mmerc, trimodal_run, example_corpus):
    before = sorted(path for path in trimodal_run.rglob("*"))
    outcome = mmerc("evaluate", trimodal_run, "--corpus", example_corpus)
    assert outcome.code == 1
    assert "calm" in outcome.sentence
    assert "neutral" in outcome.sentence
    assert sorted(path for path in trimodal_run.rglob("*")) == before


def test_invalid_run_folder(mmerc, trimodal_corpus, tiny_encoder, tmp_path):
    (tmp_path / "talk.txt").write_text("A: yes\n")
    (tmp_path / "out").mkdir()
    (tmp_path / "begun").mkdir()
    (tmp_path / "begun" / "run.json").write_text("{}")
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / "run.json").write_text("{}")
    (tmp_path / "odd" / "result.json").write_text('{"seeds": "no"}')
    for folder in (
        tmp_path / "none", tmp_path / "out", tmp_path / "begun", tmp_path / "odd", trimodal_corpus
    ):  # fmt: skip
        outcome = mmerc("evaluate", folder)
        assert outcome.code == 1
        assert str(folder) in outcome.sentence
    for folder in (
        tmp_path / "none", tmp_path / "out", tmp_path / "begun", tmp_path / "odd", trimodal_corpus,
        tiny_encoder,
    ):  # fmt: skip
        outcome = mmerc("predict", tmp_path / "talk.txt", "--model", folder)
        assert (outcome.code, outcome.out) == (1, "")
        assert str(folder) in outcome.sentence


@pytest.mark.parametrize("kept", [0, 10, 5000, -1])
def test_truncated_weights(mmerc, trimodal_run, trimodal_manifest, tmp_path, kept):
    shutil.copytree(trimodal_run, tmp_path / "run")
    file = tmp_path / "run" / "seed-0" / "model" / "model.safetensors"
    file.write_bytes(file.read_bytes()[:kept])
    outcome = mmerc("predict", trimodal_manifest, "--model", tmp_path / "run")
    assert (outcome.code, outcome.out) == (1, "")
    assert str(file) in outcome.sentence


@pytest.mark.parametrize(
    ("name", "content", "named"),
    [
        ("model.safetensors", None, "model.safetensors"),
        ("config.json", None, "config.json"),
        ("config.json", "{", "not JSON"),
        ("config.json", "{}", "config.json"),
        ("config.json", '{"model": {"name": "x"}, "labels": [], "widths": {}}', "'x'"),
    ],
)
def test_damaged_model(mmerc, trimodal_run, trimodal_manifest, tmp_path, name, content, named):
    shutil.copytree(trimodal_run / "seed-0" / "model", tmp_path / "model")
    file = tmp_path / "model" / name
    file.unlink() if content is None else file.write_text(content)
    outcome = mmerc("predict", trimodal_manifest, "--model", tmp_path / "model")
    assert (outcome.code, outcome.out) in {(1, ""), (2, "")}
    assert named in outcome.sentence


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ("", "no utterance"),
        ("\n \n# only this\n", "no utterance"),
        ("A: yes\nwell yes\n", "line 2"),
        (": yes\n", "line 1"),
        ("A:  \n", "line 1"),
        ("A" * 61 + ": yes\n", "line 1"),
        (b"A: \xff\n", "UTF-8"),
    ],
)
def test_bad_transcript(mmerc, text_run, tmp_path, content, named):
    file = tmp_path / "talk.txt"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    outcome = mmerc("predict", file, "--model", text_run, "--out", tmp_path / "out.jsonl")
    assert (outcome.code, outcome.out) == (1, "")
    assert named in outcome.sentence
    assert str(file) in outcome.sentence
    assert_files(tmp_path, ["talk.txt"])


def test_unknown_format(mmerc, text_run, tmp_path):
    (tmp_path / "talk.txt").write_text("A: yes\n")
    arguments = ("predict", tmp_path / "talk.txt", "--model", text_run, "--format", "xml")
    outcome = mmerc(*arguments, "--out", tmp_path / "out.xml")
    assert outcome.code == 2
    assert "'xml'" in outcome.sentence
    assert "jsonl" in outcome.sentence
    assert_files(tmp_path, ["talk.txt"])


@pytest.mark.parametrize(
    ("line", "named"),
    [
        (vectors([1.0] * 5, [1.0] * 4), "audio vector has 4 numbers"),
        (vectors([1.0] * 3, [1.0] * 3), "3 wide, but the model expects 5"),
        (vectors([1.0] * 5, [1.0] * 4 + [float("nan")]), "audio"),
        (GOOD, "text or audio or video"),
        ("{", "line 1"),
        (GOOD | {"utterances": []}, "utterances"),
        (changed(id="1"), "'1'"),
    ],
)
def test_bad_manifest_for_prediction(mmerc, write_manifest, trimodal_run, tmp_path, line, named):
    file = write_manifest(tmp_path / "my.jsonl", [line])
    outcome = mmerc("predict", file, "--model", trimodal_run, "--out", tmp_path / "out.jsonl")
    assert (outcome.code, outcome.out) == (1, "")
    assert named in outcome.sentence
    assert_files(tmp_path, ["my.jsonl"])


def test_unwritable_predictions(mmerc, text_run, tmp_path):
    (tmp_path / "talk.txt").write_text("A: yes\n")
    (tmp_path / "folder").mkdir()
    for place in (tmp_path / "folder", tmp_path / "talk.txt" / "out"):
        outcome = mmerc("predict", tmp_path / "talk.txt", "--model", text_run, "--out", place)
        assert outcome.code == 1
        assert str(place) in outcome.sentence
    assert_files(tmp_path, ["talk.txt", "folder"])
    assert_files(tmp_path / "folder", [])


@pytest.mark.parametrize("source", ["/tmp", "none.txt", "none.jsonl"])
def test_unreadable_input(mmerc, text_run, source):
    outcome = mmerc("predict", source, "--model", text_run)
    assert outcome.code == 1
    assert source in outcome.sentence


def test_invalid_encoders(mmerc, trimodal_corpus, trimodal_run, tmp_path):
    for model, named in (("/none", "/none"), (trimodal_run, "no text encoder")):
        arguments = ("--corpus", trimodal_corpus, "--model", model, "--out", tmp_path / "out")
        outcome = mmerc("encode-text", *arguments)
        assert (outcome.code, outcome.out) == (1, "")
        assert named in outcome.sentence
    assert_files(tmp_path, [])
