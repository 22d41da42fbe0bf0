"""CSV files and manifests, intact and damaged: rejected in one line, or read without loss."""

import copy
import csv
import io
import json
import re
import tempfile
from collections import Counter
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_meld import HEADER

from mmerc.corpora.manifest import read_manifest, read_unlabelled_manifest
from mmerc.corpora.meld import read_meld
from mmerc.errors import MmercError

WORD = re.compile(r"w\d+")
DECORATIONS = st.sampled_from(["", ", no", ' "yes"', "; é", "’", " 00:01", "\n", "🎉"])
EASY = settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))


@st.composite
def tables(draw):
    """Rows of MELD; every word is unique."""
    numbers = iter(range(10_000))
    rows = []
    for dialogue in range(draw(st.integers(1, 3))):
        for utterance in range(draw(st.integers(1, 3))):
            text = f"so w{next(numbers)}{draw(DECORATIONS)} w{next(numbers)}"
            times = f"00:00:0{utterance},000", f"00:00:0{utterance + 1},500"
            rows.append(["1", text, "Ann", "joy", "x", dialogue, utterance, 1, 1, *times])
    return rows


def to_csv(rows):
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return HEADER + text.getvalue()


def counted(texts):
    return Counter(word for text in texts for word in WORD.findall(text))


def read_table(content):
    with tempfile.TemporaryDirectory() as folder:
        for name in ("train", "dev", "test"):
            (Path(folder) / f"{name}_sent_emo.csv").write_bytes(content)
        return read_meld(Path(folder))


def texts_of(conversations):
    return [u.text for conversation in conversations for u in conversation.utterances]


@EASY
@given(tables(), st.sampled_from(["utf-8", "utf-8-sig"]), st.booleans())
def test_complete_table_is_read_unchanged(rows, encoding, windows):
    content = to_csv(rows).encode(encoding)
    raw = read_table(content.replace(b"\n", b"\r\n") if windows else content)
    assert texts_of(raw.splits["train"]) == [row[1] for row in rows]


@EASY
@given(tables(), st.data())
def test_damaged_table_is_refused_or_read_completely(rows, data):
    content = to_csv(rows).encode()
    for _ in range(data.draw(st.integers(1, 3))):
        position = data.draw(st.integers(len(HEADER), len(content) - 1))
        insert = data.draw(st.sampled_from([b"", b'"', b",", b"\n", b"\xe9", b"\x00"]))
        content = content[:position] + insert + content[position + (insert == b"") :]
    try:
        raw = read_table(content)
    except MmercError as error:
        assert "\n" not in str(error)
        assert str(error).count("train_sent_emo.csv") == 1
        return
    fields = [row[1] for row in csv.reader(io.StringIO(content.decode("utf-8", "replace"))) if row]
    assert counted(texts_of(raw.splits["train"])) == counted(fields[1:])


UTTERANCE = st.fixed_dictionaries(
    {"speaker": st.sampled_from(["Ann", "Bob"]), "label": st.sampled_from(["calm", "cross"])},
    optional={
        "start": st.floats(0, 50),
        "features": st.just({"audio": [1.0, 2.0]}),
        "media": st.just("a.wav"),
    },
)
MANIFEST = st.lists(st.lists(UTTERANCE, min_size=2, max_size=4), min_size=1, max_size=3)
STRANGE = st.sampled_from([None, -1, 1e400, "", [], {}, "3", True, "\ud800", [[1]], "w99"])


def named(conversations):
    """Conversations with ids, a split and unique words."""
    numbers = iter(range(10_000))
    return [
        {
            "id": f"c{position}",
            "split": "train",
            "utterances": [
                {**utterance, "id": str(n), "text": f"so w{next(numbers)}"}
                for n, utterance in enumerate(utterances)
            ],
        }
        for position, utterances in enumerate(conversations)
    ]


@EASY
@given(MANIFEST, st.data())
def test_damaged_manifest_is_refused_or_read_completely(conversations, data):
    lines = named(conversations)
    lines[0]["utterances"][0]["label"], lines[0]["utterances"][1]["label"] = "calm", "cross"
    whole = copy.deepcopy(lines)
    for _ in range(data.draw(st.integers(0, 2))):
        line = data.draw(st.sampled_from(lines))
        place = data.draw(st.sampled_from([line, *line["utterances"]]))
        place[data.draw(st.sampled_from([*place, "end", "media_start", "other"]))] = data.draw(
            STRANGE
        )
    order = data.draw(st.sampled_from(["given", "start"]))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "my.jsonl"
        file.write_text("\n".join(json.dumps(line) for line in lines))
        for read in (
            lambda: read_manifest(file, order=order),
            lambda: read_unlabelled_manifest(file),
        ):
            try:
                content = read()
            except MmercError as error:
                assert "\n" not in str(error)
                assert str(error).count("my.jsonl") == 1
                assert lines != whole
                continue
            conversations = (
                content.splits.get("train", ())
                if hasattr(content, "splits")
                else content.conversations
            )
            spoken = [str(u["text"]) for line in lines for u in line["utterances"]]
            assert counted(texts_of(conversations)) == counted(spoken)
