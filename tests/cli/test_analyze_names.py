"""``mmerc analyze --name``: speakers under their names in every output."""

import json

import pytest
from folders import ENDINGS


def speakers(folder, stem="scene"):
    lines = (folder / f"{stem}.jsonl").read_text().splitlines()
    return [json.loads(line)["speaker"] for line in lines]


def test_names_are_in_every_output(analyze, talk):
    arguments = ("--subtitles", talk / "scene.srt", "--name", "Lewis=Mara", "--quiet")
    assert analyze(talk / "scene.mp4", *arguments).code == 0
    assert speakers(talk) == ["Mara", "Nora"]
    for ending in ENDINGS:
        text = (talk / f"scene.{ending}").read_text()
        assert "Mara" in text, ending
        assert "Lewis" not in text, ending


def test_speakers_of_a_transcript(analyze, talk):
    (talk / "talk.txt").write_text("Lewis: yes\nNora: no\n")
    assert analyze(talk / "talk.txt", "--name", "Nora=Mara", "--quiet").code == 0
    assert speakers(talk, "talk") == ["Lewis", "Mara"]


def test_an_unknown_speaker_loses_no_work(analyze, talk):
    arguments = (talk / "scene.mp4", "--quiet", "--name")
    refused = analyze(*arguments, "Mara=SPEAKER_01")
    assert refused.code == 2
    assert "No speaker is called 'Mara'; --name can name SPEAKER_01" in refused.sentence
    words = talk / ".scene.mp4.mmerc" / "words.jsonl"
    first, *others = words.read_text().splitlines()
    kept = json.loads(first)
    kept["words"] = [kept["words"][0] | {"text": "Kept."}]
    words.write_text("\n".join([json.dumps(kept), *others]) + "\n")
    outcome = analyze(*arguments, "SPEAKER_01=Mara")
    assert outcome.code == 0, outcome.err
    assert "Mara" in speakers(talk)
    assert "Kept." in (talk / "scene.jsonl").read_text()


@pytest.mark.parametrize("option", ["Mara", "SPEAKER_01="])
def test_a_name_without_a_speaker(analyze, talk, option):
    outcome = analyze(talk / "scene.mp4", "--name", option)
    assert outcome.code == 2
    assert "names nobody" in outcome.sentence
