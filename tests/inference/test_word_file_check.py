"""``check_file`` of timed words: found by suffix or content, described as utterances."""

import json

import pytest

from mmerc.inference.file_check import check_file

CTM = "talk 1 0.1 0.4 Hello 0.9 lex Mara\ntalk 1 0.6 0.6 everyone. 0.9 lex Mara\n"
WORDS = [{"word": " Hello", "start": 0.1, "end": 0.5}, {"word": " you.", "start": 0.6, "end": 1.2}]
JSON = {"segments": [{"start": 0.1, "end": 1.2, "text": " Hello you.", "words": WORDS}]}


@pytest.mark.parametrize("name", ["talk.ctm", "talk", "talk.words"])
def test_ctm(tmp_path, name):
    (tmp_path / name).write_text(CTM)
    report = check_file(tmp_path / name)
    assert (report.kind, report.problem) == ("words with times", None)
    assert report.facts == {
        "utterances": 1, "with_times": 1, "words": 2, "from": 0.1, "to": 1.2,
        "speakers": {"Mara": 1}, "language": None,
    }  # fmt: skip


@pytest.mark.parametrize("name", ["talk.json", "talk"])
@pytest.mark.parametrize("content", [JSON | {"language": "en"}, JSON["segments"]])
def test_json(tmp_path, name, content):
    (tmp_path / name).write_text(json.dumps(content, indent=1))
    report = check_file(tmp_path / name)
    assert (report.kind, report.problem) == ("words with times", None)
    assert report.facts["words"] == 2
    assert report.facts["speakers"] == {"unknown": 1}


def test_unreadable_input_is_reported(tmp_path):
    (tmp_path / "talk.json").write_text("{}")
    report = check_file(tmp_path / "talk.json")
    assert "no transcript (it has none of 'segments', 'words' and 'transcription')" in (
        report.problem
    )


def test_manifest_is_not_mistaken_for_words(tmp_path):
    line = {
        "id": "a",
        "split": "train",
        "utterances": [{"id": "1", "speaker": "x", "text": "words"}],
    }
    (tmp_path / "talk").write_text(json.dumps(line) + "\n")
    assert check_file(tmp_path / "talk").kind == "manifest"
