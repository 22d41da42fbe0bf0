import json
import tempfile
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmerc.corpora.manifest import (
    _read_label_file,
    read_manifest,
    read_unlabelled_manifest,
)
from mmerc.data.corpus import PreparedCorpus
from mmerc.data.preparation import _write_corpus
from mmerc.errors import InputError
from mmerc.labels import LabelSet
from mmerc.names import tidy_name

LABELS = LabelSet("two", ("calm", "cross"))


def utterance(name="1", **more):
    return {"id": name, "speaker": "Ann", "text": "hm", "label": "calm", **more}


def conversation(name="c1", *utterances, **more):
    rows = list(utterances) or [utterance("1"), utterance("2", label="cross")]
    return {"id": name, "split": "train", "utterances": rows, **more}


def write(folder, *lines):
    file = folder / "corpus.jsonl"
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    file.write_text("\n".join(texts), encoding="utf-8")
    return file


def test_every_field_survives(tmp_path, round_trip):
    full = utterance("1", start=0, end=1.5, media="a.wav", features={"text": [1, 2.5]})
    bare = {"id": "2", "speaker": "Bob", "text": "", "features": {"text": None, "audio": [0.5]}}
    file = write(
        tmp_path,
        conversation("c1", full, bare, media="film.mp4"),
        "",
        conversation("c2", utterance("1", label="cross"), split="test"),
    )
    raw = read_manifest(file)
    assert (raw.name, raw.labels.names) == ("corpus", ("calm", "cross"))
    loaded = round_trip(raw)
    first = loaded.splits["train"][0]
    assert first.media == "film.mp4"
    assert (first.utterances[0].start, first.utterances[0].end) == (0.0, 1.5)
    assert (first.utterances[1].label, first.utterances[1].start) == (None, None)
    assert loaded.features["text"].vector("c1", "1").tolist() == [1.0, 2.5]
    assert loaded.features["text"].vector("c1", "2") is None
    assert loaded.features["audio"].vector("c2", "1") is None


BAD = {
    "not JSON": ('{"id": ', "line 2, text: not JSON"),
    "too deep": (
        "[" * 100_000,
        "line 2, text: JSON with a number that is too long or lists nested",
    ),
    "a key twice": (
        '{"id": "c", "split": "train", "split": "test"}',
        "text: the key 'split' occurs",
    ),
    "not an object": ("[1]", "line 2, whole line: input should be"),
    "missing key": ({"id": "x"}, "line 2, conversation 'x', field 'utterances': field required"),
    "no split": (conversation("x", split=None), "field 'split': it is missing"),
    "no speaker": (
        conversation("x", utterance("1", speaker=None)),
        "line 2, conversation 'x', utterance '1', field 'speaker': it is missing",
    ),
    "unknown key": (conversation("x", colour=1), "field 'colour': extra inputs are not permitted"),
    "other split": (conversation("x", split="dev"), "field 'split': input should be 'train'"),
    "number as text": (
        conversation("x", utterance("1", start="3")),
        r"field 'utterances\[0\].start': input should be a valid number, got '3'",
    ),
    "unknown label": (
        conversation("x", utterance("7", label="odd")),
        "conversation 'x', utterance '7', label set 'two': unknown label 'odd'",
    ),
    "same conversation": (conversation("c1"), "the same conversation id is in line 1"),
    "same utterance": (
        conversation("x", utterance("1"), utterance("1")),
        "conversation 'x': utterance id '1' occurs twice",
    ),
    "before its media": (
        conversation("x", utterance("1", start=1, end=2, media="a.wav", media_start=2)),
        "utterance '1': it ends at 2.0 s, before its media start at 2.0 s",
    ),
    "begins without media": (
        conversation("x", utterance("1", media_start=2)),
        "utterance '1': it has media_start, but no media",
    ),
    "conversation begins without media": (
        conversation("x", media_start=2),
        "'x', field 'media_start': there is no media",
    ),
    "end before start": (
        conversation("x", utterance("1", start=5, end=4)),
        "utterance '1': it ends at 4.0 s, before it starts at 5.0 s",
    ),
    "no utterances": (
        {"id": "x", "split": "train", "utterances": []},
        "field 'utterances': list should have at least 1 item",
    ),
    "NaN": (
        conversation("x", utterance("1", features={"audio": [0.0, float("nan")]})),
        r"field 'utterances\[0\].features.audio\[1\]': input should be a finite number, got nan",
    ),
    "infinity": (
        conversation("x", utterance("1", features={"audio": [float("inf")]})),
        "input should be a finite number, got inf",
    ),
    "other modality": (
        conversation("x", utterance("1", features={"smell": [1.0]})),
        "input should be 'text', 'audio' or 'video', got 'smell'",
    ),
    "lone surrogate": (conversation("x", utterance("1", text="\ud800")), "contains half a Unicode"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_line_is_reported_with_its_position(tmp_path, case):
    line, message = BAD[case]
    with pytest.raises(InputError, match=message) as caught:
        read_manifest(write(tmp_path, conversation(), line), labels=LABELS)
    assert "corpus.jsonl" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_differing_widths_name_both_utterances(tmp_path):
    first = conversation("c1", utterance("1", features={"audio": [1.0, 2.0]}))
    other = conversation("c2", utterance("5", features={"audio": [1.0]}))
    message = (
        r"'c2', utterance '5': its audio vector has 1 numbers, that of conversation 'c1', .* 2;"
    )
    with pytest.raises(InputError, match=message):
        read_manifest(write(tmp_path, first, other), labels=LABELS)


@pytest.mark.parametrize("content", ["", "\n \n"])
def test_empty_manifest_is_refused(tmp_path, content):
    with pytest.raises(InputError, match="it contains no conversation"):
        read_manifest(write(tmp_path, content))


def test_manifest_with_a_single_label(tmp_path):
    with pytest.raises(InputError, match=r"corpus\.jsonl, label set 'custom': .* two or more"):
        read_manifest(write(tmp_path, conversation("c1", utterance())))


def test_prediction_needs_no_split_speaker_or_label(tmp_path):
    bare = {"id": "c", "utterances": [{"id": "1", "text": "hm"}]}
    file = write(tmp_path, bare)
    (actual,) = read_unlabelled_manifest(file).conversations
    assert (actual.utterances[0].speaker, actual.utterances[0].label) == ("unknown", None)
    odd = write(tmp_path, conversation("c", utterance(label="odd")))
    (labelled,) = read_unlabelled_manifest(odd).conversations
    assert labelled.utterances[0].label == "odd"


OVERLAPPING = conversation(
    "c1",
    utterance("1", start=5, end=9),
    utterance("2", start=4, end=6, label="cross"),
    utterance("3"),
    utterance("4", start=7, end=8),
)


@pytest.mark.parametrize(
    ("order", "ids", "action"),
    [("given", "1234", "kept in the order given"), ("start", "2314", "sorted by start")],
)
def test_overlapping_speech_is_kept_or_sorted(tmp_path, round_trip, order, ids, action):
    raw = read_manifest(write(tmp_path, OVERLAPPING), order=order)
    assert raw.remarks == (f"Utterances that start before an earlier one: 1, in c1; {action}.",)
    (loaded,) = round_trip(raw).splits["train"]
    assert "".join(item.id for item in loaded.utterances) == ids


def test_media_start_is_kept_and_older_corpora_are_unchanged(tmp_path, round_trip):
    timed = utterance("1", start=5, end=9, media="a.wav", media_start=4.5, label="cross")
    (loaded,) = round_trip(
        read_manifest(write(tmp_path, conversation("c1", timed, utterance("2"))))
    ).splits["train"]
    assert [item.media_start for item in loaded.utterances] == [4.5, None]
    plain = read_manifest(write(tmp_path, conversation()))
    _write_corpus(plain, tmp_path / "plain")
    table = pq.read_table(tmp_path / "plain" / "utterances.parquet")
    pq.write_table(
        table.drop_columns(["media_start", "conversation_media_start"]),
        tmp_path / "plain" / "utterances.parquet",
    )
    assert PreparedCorpus.load(tmp_path / "plain").splits == plain.splits


NAMES = st.text(min_size=1, max_size=8)
TEXTS = st.one_of(
    st.text(max_size=40),
    st.sampled_from(["שלום, מה שלומך؟ مرحبا", "👩‍👩‍👧 🎉🏽", "a\u2028b\x85c\r\nd", "\x00", '"\\']),
)
UTTERANCES = st.lists(
    st.fixed_dictionaries(
        {"id": NAMES, "speaker": NAMES.filter(tidy_name), "text": TEXTS},
        optional={
            "label": st.sampled_from([None, "calm", "cross"]),
            "end": st.floats(0, 1e6),
            "features": st.dictionaries(
                st.sampled_from(["text", "audio", "video"]),
                st.none() | st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False),
                                     min_size=2, max_size=2),
            ),
        },
    ),
    min_size=1, max_size=4, unique_by=lambda item: item["id"],
)  # fmt: skip
CONVERSATIONS = st.lists(
    st.fixed_dictionaries(
        {
            "id": NAMES,
            "split": st.sampled_from(["test", "train", "valid"]),
            "utterances": UTTERANCES,
        },
        optional={"media": NAMES},
    ),
    min_size=1, max_size=4, unique_by=lambda item: item["id"],
)  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(CONVERSATIONS, st.booleans())
def test_any_manifest_survives_preparation(lines, ascii_only):
    with tempfile.TemporaryDirectory() as name:
        file = Path(name) / "any.jsonl"
        text = "\n".join(json.dumps(line, ensure_ascii=ascii_only) for line in lines)
        file.write_text(text, encoding="utf-8", newline="")
        raw = read_manifest(file, labels=LABELS)
        _write_corpus(raw, Path(name) / "out")
        loaded = PreparedCorpus.load(Path(name) / "out")
    assert loaded.splits == raw.splits
    actual = {item.id: item for group in loaded.splits.values() for item in group}
    for line in lines:
        for row, spoken in zip(line["utterances"], actual[line["id"]].utterances, strict=True):
            assert (spoken.id, spoken.speaker, spoken.text) == (
                row["id"], tidy_name(row["speaker"]), row["text"],
            )  # fmt: skip
            for modality, numbers in row.get("features", {}).items():
                table = loaded.features.get(modality)
                vector = table.vector(line["id"], row["id"]) if table else None
                assert (vector is None) == (numbers is None)
                assert numbers is None or vector.tolist() == np.float32(numbers).tolist()


def test_label_files(tmp_path):
    (tmp_path / "a.json").write_text('["b", "a"]')
    (tmp_path / "b.json").write_text(json.dumps(LABELS.to_json()))
    (tmp_path / "moods.txt").write_text("b\n\n a \n")
    assert _read_label_file(tmp_path / "a.json").names == ("b", "a")
    assert _read_label_file(tmp_path / "b.json") == LABELS
    assert _read_label_file(tmp_path / "moods.txt") == LabelSet("moods", ("b", "a"))


@pytest.mark.parametrize("content", ["", "one\n", "one\none\n"])
def test_bad_label_files(tmp_path, content):
    (tmp_path / "moods.txt").write_text(content)
    with pytest.raises(InputError, match=r"moods\.txt, label set 'moods': .* two or more"):
        _read_label_file(tmp_path / "moods.txt")


def test_modalities_can_have_their_own_labels(tmp_path, round_trip):
    utterance = {"id": "u", "speaker": "a", "text": "Fine.", "label": "joy"}
    line = {"id": "c", "split": "train", "utterances": [utterance]}
    utterance["modality_labels"] = {"audio": "anger", "video": "joy"}
    file = tmp_path / "own.jsonl"
    file.write_text(json.dumps(line), encoding="utf-8")
    raw = read_manifest(file)
    assert raw.labels.names == ("anger", "joy")
    (conversation,) = round_trip(raw).splits["train"]
    assert conversation.utterances[0].modality_labels == {"audio": "anger", "video": "joy"}
    with pytest.raises(InputError, match="unknown label 'anger'"):
        read_manifest(file, labels=LabelSet("own", ("joy", "sadness")))


def test_soft_labels_are_probabilities_of_labels(tmp_path, round_trip):
    soft = {"calm": 0.25, "cross": 0.75}
    file = write(tmp_path, conversation("c1", utterance("1", soft_labels=soft), utterance("2")))
    (loaded,) = round_trip(read_manifest(file, labels=LABELS)).splits["train"]
    assert [item.soft_labels for item in loaded.utterances] == [soft, {}]
    assert not any(item.soft_labels for item in loaded.without_labels().utterances)


@pytest.mark.parametrize(
    ("soft", "message"),
    [
        ({"calm": 0.5, "cross": 0.4}, "its soft labels are not probabilities that add up to 1"),
        ({"calm": 0.5, "glad": 0.5}, "unknown label 'glad'"),
        ({"calm": 1.5, "cross": -0.5}, "soft_labels.*less than or equal to 1"),
        ({"calm": "much"}, "soft_labels.*valid number"),
    ],
)
def test_invalid_soft_labels_are_refused(tmp_path, soft, message):
    file = write(tmp_path, conversation("c1", utterance("1", soft_labels=soft)))
    with pytest.raises(InputError, match=message):
        read_manifest(file, labels=LABELS)
