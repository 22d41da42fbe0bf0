from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmerc.corpora.meld import PUBLISHED, _parse_time_code, read_meld
from mmerc.data.preparation import _write_corpus, counts_table
from mmerc.errors import InputError, UsageError

HEADER = (
    "Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID,Season,Episode,"
    "StartTime,EndTime\n"
)
ROWS = (
    '1,"Well, hello there",Ann,joy,positive,0,0,1,2,"00:00:01,500","00:00:02,250"\n'
    '2,It’s you 👋,Bob,neutral,neutral,0,3,1,2,"0:00:03,000","0:00:04,5"\n'
    '3,Go away,Ann,anger,negative,7,1,1,3,"01:00:00,000","01:00:00,000"\n'
)


def write_meld(folder: Path, train: str = HEADER + ROWS) -> Path:
    for name in ("dev", "test"):
        (folder / f"{name}_sent_emo.csv").write_text(HEADER + ROWS, encoding="utf-8")
    (folder / "train_sent_emo.csv").write_text(train, encoding="utf-8")
    return folder


def test_rows_are_read_in_file_order(tmp_path, round_trip):
    raw = read_meld(write_meld(tmp_path))
    first, second = raw.splits["train"]
    assert [item.id for item in (first, second)] == ["train_dia0", "train_dia7"]
    hello, you = first.utterances
    assert (hello.id, hello.text, hello.speaker) == ("utt0", "Well, hello there", "Ann")
    assert (hello.label, hello.start, hello.end) == ("joy", 1.5, 2.25)
    assert (you.id, you.text, you.end) == ("utt3", "It’s you 👋", 4.5)
    assert you.media == "train_splits/dia0_utt3.mp4"
    valid, test = raw.splits["valid"][0], raw.splits["test"][0]
    assert (valid.id, test.id) == ("dev_dia0", "test_dia0")
    assert valid.utterances[0].media == "dev_splits_complete/dia0_utt0.mp4"
    assert test.utterances[0].media == "output_repeated_splits_test/dia0_utt0.mp4"
    round_trip(raw)


def test_negative_durations_are_left_out(tmp_path):
    raw = read_meld(write_meld(tmp_path))
    utterance = raw.splits["train"][1].utterances[0]
    assert (utterance.start, utterance.end) == (None, None)
    assert "train_dia7 utt1" in raw.remarks[0]


WINDOWS = ROWS.replace(" 👋", "")


def test_windows_text_is_read_with_a_remark_or_given_encoding(tmp_path):
    file = write_meld(tmp_path) / "train_sent_emo.csv"
    file.write_bytes((HEADER + WINDOWS).replace("\n", "\r\n").encode("cp1252"))
    raw = read_meld(tmp_path)
    assert raw.splits["train"][0].utterances[1].text == "It’s you"
    assert "train_sent_emo.csv is not UTF-8 and was read as Windows-1252" in raw.remarks[0]
    file.write_bytes((HEADER + WINDOWS.replace("’", "'").replace("Ann", "Äsa")).encode("mac-roman"))
    for name in ("dev", "test"):
        (tmp_path / f"{name}_sent_emo.csv").write_bytes(file.read_bytes())
    named = read_meld(tmp_path, encoding="mac-roman")
    assert named.splits["train"][0].utterances[0].speaker == "Äsa"
    assert not any("encoding" in remark for remark in named.remarks)
    with pytest.raises(UsageError, match="No encoding is called 'windows'"):
        read_meld(tmp_path, encoding="windows")


def test_file_that_is_not_windows_text_is_named_once(tmp_path):
    file = write_meld(tmp_path) / "train_sent_emo.csv"
    file.write_bytes(HEADER.encode() + b"\x81\x8d")
    with pytest.raises(InputError, match="not cp1252 text") as caught:
        read_meld(tmp_path)
    assert str(caught.value).count("train_sent_emo.csv") == 1
    file.unlink()
    with pytest.raises(InputError, match="no such file") as caught:
        read_meld(tmp_path)
    assert str(caught.value).count("train_sent_emo.csv") == 1


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (",joy,", ",glee,", "line 2, label set 'meld': unknown label 'glee'"),
        ("Emotion", "Feeling", "line 1: no column 'Emotion'"),
        ('"0:00:03,000"', "soon", "line 3, StartTime, time code: cannot read 'soon'"),
        ('"0:00:03,000"', "0:00:03,000", "line 3: it has more or fewer cells"),
        (",0,3,1,2,", ",0,0,1,2,", "utterance 0: the same utterance is in line 2"),
        (",0,0,1,2,", ",0,9,1,2,", "line 3, dialogue 0, utterance 3: it follows utterance 9"),
        (",0,3,1,2,", ",0,x,1,2,", "line 3, Utterance_ID: 'x' is not a whole number"),
        ('"01:00:00,000"\n', '"01:00:00,000', "not CSV"),
        (ROWS, "", "no utterance follows the header"),
    ],
)
def test_bad_table_is_reported_with_its_line(tmp_path, old, new, message):
    train = (HEADER + ROWS).replace(old, new)
    with pytest.raises(InputError) as caught:
        read_meld(write_meld(tmp_path, train))
    assert message in str(caught.value)
    assert "train_sent_emo.csv" in str(caught.value)


def test_missing_file(tmp_path):
    with pytest.raises(InputError, match=r"train_sent_emo\.csv: no such file"):
        read_meld(tmp_path)


@given(st.integers(0, 100 * 3_600_000 - 1))
def test_time_codes_are_exact(total):
    seconds, milliseconds = divmod(total, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    code = f"{hours:02d}:{minutes:02d}:{seconds:02d},{milliseconds:03d}"
    assert _parse_time_code(code) == total / 1000


@given(st.text(max_size=12))
def test_any_other_time_code_is_refused_or_finite(text):
    try:
        assert _parse_time_code(text) >= 0
    except InputError as error:
        assert "HH:MM:SS,mmm" in str(error)


def test_real_counts_equal_the_published_ones(tmp_path, shared_data):
    raw = read_meld(shared_data / "meld")
    rows = counts_table(_write_corpus(raw, tmp_path / "out"))
    assert {row.split: (row.utterances, row.conversations) for row in rows} == PUBLISHED
    assert all(row.utterances == row.published_utterances for row in rows)
    assert rows[0].labels["neutral"] == 4710
