"""Transcripts as tables, as people export them from a spreadsheet."""

import pytest

from mmerc.corpora.transcript import read_transcript
from mmerc.errors import InputError


def rows(transcript):
    return [
        (c.id, u.id, u.speaker, u.text, u.start, u.end) for c in transcript for u in c.utterances
    ]


ADA = ("talk-1", "1", "Ada", 'Well, "yes"; it is.\nReally.', 0.5, 62.5)
BEN = ("talk-1", "2", "Ben", "No", 63.0, None)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize(("separator", "ending"), [(",", "csv"), (";", "csv"), ("\t", "tsv")])
@pytest.mark.parametrize(
    "header", ["Speaker|Text|Start|End", "name|UTTERANCE|Start_Time|end  time"]
)
def test_separators_encodings_and_column_names(tmp_path, encoding, separator, ending, header):
    cells = [
        header.split("|"),
        ["Ada", '"Well, ""yes""; it is.\nReally."', "0.5", "1:02.5"],
        ["", "", "", ""],
        ["Ben", "No", "00:01:03", ""],
    ]
    content = "".join(separator.join(row) + "\r\n" for row in cells)
    file = tmp_path / f"talk.{ending}"
    file.write_bytes(content.encode(encoding))
    transcript = read_transcript(file)
    assert rows(transcript) == [ADA, BEN]
    assert transcript.remarks == ()


def test_conversations_decimal_commas_and_other_columns(tmp_path):
    (tmp_path / "talks.csv").write_text(
        "id;conversation;rating;text;speaker;start\n"
        "7;b;3;Hello;Ada;1,5\n8;a;;Yes;Ben;\n9;b;1;Bye;;0\n"
    )
    transcript = read_transcript(tmp_path / "talks.csv")
    assert rows(transcript) == [
        ("b", "1", "Ada", "Hello", 1.5, None),
        ("b", "2", "unknown", "Bye", 0.0, None),
        ("a", "1", "Ben", "Yes", None, None),
    ]
    assert transcript.remarks == (
        "talks.csv, line 4: no speaker is named.",
        "talks.csv, line 4: begins before the line above it; the order of the file is kept.",
    )


def test_unnamed_index_column_is_not_a_conversation(tmp_path):
    (tmp_path / "talk.csv").write_text(",speaker,text\n0,Ada,Hello\n1,Ben,Yes\n")
    assert rows(read_transcript(tmp_path / "talk.csv")) == [
        ("talk-1", "1", "Ada", "Hello", None, None),
        ("talk-1", "2", "Ben", "Yes", None, None),
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "line 1: no column is called text"),
        ("Ada,hello\nBen,no\n", "line 1: no column is called text"),
        ("text,text\nhi,there\n", "line 1: two columns are called 'text'; rename one"),
        ("speaker,text\n", "line 2: no utterance follows the header"),
        ("speaker,text\nAda,hi,there\n", "line 2: it has more or fewer cells"),
        ("speaker,text\nAda\n", "line 2: it has more or fewer cells"),
        ("speaker,text\nAda,hi\nBen,\n", "line 3, column 'text': no words"),
        ('speaker,text\nAda,"hi\n', "line 1: not CSV"),
        ("text,start\nhi,soon\n", "line 2, start: 'soon' is not a time"),
        ("text,start\nhi,0:75\n", "line 2, start: '0:75' is not a time"),
        ("text,start\nhi,-3\n", "line 2, start: '-3' is not a time"),
        ("text,start,end\nhi,3,2\n", "line 2, times: it ends at 2, before it starts at 3"),
        ("text\ncaf\xe9\n".encode("latin-1"), "not UTF-8 text"),
    ],
)
def test_bad_tables(tmp_path, content, message):
    file = tmp_path / "talk.csv"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InputError, match=message) as caught:
        read_transcript(file)
    assert str(file) in str(caught.value)


@pytest.mark.parametrize("ending", ["docx", "xlsx", "pdf"])
def test_office_document_is_refused_with_advice(tmp_path, ending):
    file = tmp_path / f"talk.{ending}"
    file.write_bytes(b"PK\x03\x04")
    with pytest.raises(InputError, match=rf"\.{ending} files cannot be read; save it as plain"):
        read_transcript(file)


def test_columns_that_are_not_read_are_named(tmp_path):
    """A column in another language, or a second one for the words, must not go unnoticed."""
    path = tmp_path / "talk.csv"
    path.write_text("Sprecher;Beginn;Text;Sentence\nMara;1,5;Ja;Nein\n")
    assert read_transcript(path).remarks == (
        "talk.csv, line 1: columns with other names are not read "
        "('Sprecher', 'Beginn' and 'Sentence').",
        "talk.csv, line 2: no speaker is named.",
    )
