"""``mmerc analyze --name``: speakers' names in every output."""

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


def test_unknown_speaker_keeps_finished_work(analyze, talk):
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
def test_name_without_a_speaker_is_refused(analyze, talk, option):
    outcome = analyze(talk / "scene.mp4", "--name", option)
    assert outcome.code == 2
    assert "has no speaker or no name" in outcome.sentence


def test_words_exclude_subtitles(analyze, talk):
    (talk / "scene.ctm").write_text("scene 1 0.9 0.4 Stand\nscene 1 1.4 0.6 there.\n")
    both = ("--words", talk / "scene.ctm", "--subtitles", talk / "scene.srt")
    outcome = analyze(talk / "scene.mp4", *both)
    assert outcome.code == 2
    assert "give --subtitles or --words, not both" in outcome.sentence
    (talk / "talk.txt").write_text("Lewis: yes\n")
    outcome = analyze(talk / "talk.txt", "--words", talk / "scene.ctm")
    assert outcome.code == 2
    assert "A transcript has words and speakers" in outcome.sentence


def test_words_of_a_transcriber(analyze, talk):
    lines = ("scene 1 0.9 0.4 Stand 1 lex Ada", "scene 1 1.4 0.6 there. 1 lex Ada")
    (talk / "scene.ctm").write_text("\n".join(lines) + "\n")
    outcome = analyze(talk / "scene.mp4", "--words", talk / "scene.ctm", "--quiet")
    assert outcome.code == 0, outcome.err
    assert speakers(talk) == ["Ada"]
