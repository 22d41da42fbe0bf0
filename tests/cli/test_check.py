"""``mmerc check`` through the program."""

import json
import os
from pathlib import Path

CASES = Path(__file__).parents[1] / "media" / "data" / "cases"


def test_readable_files(mmerc):
    outcome = mmerc("check", CASES / "chained.opus", CASES / "negative-times.srt")
    assert outcome.code == 0
    assert outcome.out.splitlines()[:2] == [
        f"{CASES / 'chained.opus'}: recording",
        "  seconds: 10.276",
    ]
    assert "  speakers: Mara (2), Tom (1)\n" in outcome.out
    assert "  note: negative-times.srt, line 2: times below zero are read as 0.\n" in outcome.out


def test_unreadable_file(mmerc, tmp_path):
    bad = tmp_path / "bad.srt"
    bad.write_text("nothing\n")
    outcome = mmerc("check", bad, CASES / "zoom-names.vtt", "--json")
    assert outcome.code == 1
    first, second = outcome.json["files"]
    assert "no cue of SRT" in first["problem"]
    assert second["problem"] is None
    assert len(second["facts"]["speakers"]) == 4


def test_prepared_corpus(mmerc, tmp_path):
    source, corpus = tmp_path / "own.jsonl", tmp_path / "corpus"
    utterances = [
        {"id": "1", "speaker": "Ada", "text": "You came!", "label": "joy"},
        {"id": "2", "speaker": "Ben", "text": "No.", "label": "anger"},
    ]
    record = {"id": "a", "split": "train", "utterances": utterances}
    source.write_text(json.dumps(record) + "\n")
    assert mmerc("prepare", "manifest", source, "--out", corpus).code == 0
    (report,) = mmerc("check", corpus, "--json").json["files"]
    assert report["kind"] == "prepared corpus"
    assert report["facts"]["labels"] == ["anger", "joy"]
    assert report["facts"]["splits"]["train"]["utterances"] == 2
    assert "labels: anger, joy" in mmerc("check", corpus).out


def test_pipe_is_refused(mmerc, tmp_path):
    os.mkfifo(tmp_path / "talk.mp4")
    outcome = mmerc("check", tmp_path / "talk.mp4")
    assert outcome.code == 1
    assert "a pipe or device, not a file; save its output as a file first." in outcome.out
    refused = mmerc("analyze", tmp_path / "talk.mp4", "--out", tmp_path / "out")
    assert refused.code == 1
    assert "a pipe or device, not a file" in refused.sentence
