"""``mmerc analyze``: its files, and its remarks on faulty recordings."""

import csv
import json
import re
from xml.etree import ElementTree

import numpy as np
import pysubs2
import pytest
import soundfile
from folders import ENDINGS, assert_files, results
from praatio import textgrid

from short_films import EXAMPLES, cut, save_model, small_disk

GERMAN = (
    "Ich weiß nicht, was du von mir willst, aber ich bleibe nicht hier.",
    "Bitte gib mir die Schlüssel und sag deiner Mutter, dass das Essen auf dem Tisch steht.",
    "Warum hast du mir das nicht schon gestern Abend erzählt?",
)


def srt(path, lines, *, seconds=1.0):
    """Subtitles with consecutive cues of equal length."""
    actual = pysubs2.SSAFile()
    for i, text in enumerate(lines):
        start, end = (round(1000 * seconds * (i + k)) for k in (0, 0.95))
        actual.append(pysubs2.SSAEvent(start=start, end=end, text=text))
    actual.save(str(path))
    return path


# Output


def test_six_files_open_in_other_tools(analyze, talk, tmp_path):
    arguments = (talk / "scene.mp4", "--subtitles", talk / "scene.srt", "--out", tmp_path / "out")
    outcome = analyze(*arguments, model="heard")
    assert outcome.code == 0, outcome.err
    out = tmp_path / "out"
    assert_files(out, results("scene") | {"scene.mp4"})
    assert (out / "scene.mp4").samefile(talk / "scene.mp4")
    assert_files(talk, ["scene.mp4", "scene.srt"])
    said = [json.loads(line) for line in (out / "scene.jsonl").read_text().splitlines()]
    assert [item["speaker"] for item in said] == ["Lewis", "Nora"]
    with open(out / "scene.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["label"] for row in rows] == [item["label"] for item in said]
    captions = pysubs2.load(str(out / "scene.vtt"))
    assert [cue.start for cue in captions] == [800, 4797]
    tiers = ElementTree.parse(out / "scene.eaf").findall("TIER")
    assert {tier.get("TIER_ID") for tier in tiers} >= {"words@Lewis", "emotion@Nora"}
    grid = textgrid.openTextgrid(str(out / "scene.TextGrid"), includeEmptyIntervals=False)
    assert any("Lewis" in name for name in grid.tierNames)
    page = (out / "scene.html").read_text()
    assert "my hands" in page
    assert "scene.mp4" in page
    assert outcome.out.splitlines()[0].startswith("2 utterances: ")
    assert {line.rpartition("/")[2] for line in outcome.out.splitlines()[-6:]} == results("scene")
    assert outcome.err.splitlines() == [
        "detecting speech", "sound: 1 of 2", "sound: 2 of 2",
        "emotions: 0 of 2", "emotions: 2 of 2",
    ]  # fmt: skip


def test_model_with_whisper_voice_vectors(mmerc, talk, tmp_path):
    """Vectors come from the model's extractors, here two concatenated ones."""
    names = {"audio": "whisper+egemaps"}
    model = save_model(tmp_path / "model", widths={"audio": 1536 + 88}, extractors=names)
    arguments = ("--subtitles", talk / "scene.srt", "--out", tmp_path / "out", "--json", "--quiet")
    outcome = mmerc("analyze", talk / "scene.mp4", "--model", model, *arguments)
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.json["remarks"] == []  # no modality is missing
    said = [json.loads(line) for line in (tmp_path / "out/scene.jsonl").read_text().splitlines()]
    assert all(item["effects"]["audio"] is not None for item in said)


def test_output_next_to_the_recording_and_as_json(analyze, talk):
    arguments = ("--subtitles", talk / "scene.srt", "--json", "--quiet")
    outcome = analyze(talk / "scene.mp4", *arguments)
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.json["utterances"] == 2
    assert outcome.json["remarks"] == []
    assert outcome.json["files"] == [str(talk / f"scene.{ending}") for ending in ENDINGS]
    assert_files(talk, results("scene") | {"scene.mp4", "scene.srt"})


def test_transcript(analyze, tmp_path):
    text = (EXAMPLES / "conversation.txt").read_text()
    (tmp_path / "talk.txt").write_text(text)
    outcome = analyze(tmp_path / "talk.txt", "--json")
    assert (outcome.code, outcome.err) == (0, "")
    spoken = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    assert outcome.json["utterances"] == len(spoken)
    assert_files(tmp_path, results("talk") | {"talk.txt"})


def test_thirty_speakers(analyze, talk):
    lines = [f"Guest {number}: I am number {number}" for number in range(30)]
    many = srt(talk / "many.srt", lines, seconds=0.26)
    outcome = analyze(talk / "scene.mp4", "--subtitles", many, "--json")
    assert outcome.json["utterances"] == 30
    said = [json.loads(line) for line in (talk / "scene.jsonl").read_text().splitlines()]
    assert len({item["speaker"] for item in said}) == 30
    tiers = ElementTree.parse(talk / "scene.eaf").findall("TIER")
    assert len({tier.get("PARTICIPANT") for tier in tiers} - {None}) == 30


# Remarks


def test_silence_with_subtitles(analyze, talk):
    soundfile.write(talk / "quiet.wav", np.zeros(16000 * 8, np.float32), 16000)
    arguments = (talk / "quiet.wav", "--subtitles", talk / "scene.srt", "--json", "--quiet")
    outcome = analyze(*arguments, model="heard")
    assert outcome.code == 0, outcome.err
    fit, sound = outcome.json["remarks"]
    assert "may belong to another recording" in fit
    assert sound == "No utterance has audio: silence."


def test_video_without_audio_with_subtitles(analyze, talk):
    cut("photograph", talk / "mute.mp4", seconds=8.0, kinds=["video"])
    arguments = (talk / "mute.mp4", "--subtitles", talk / "scene.srt", "--quiet")
    outcome = analyze(*arguments, model="heard")
    assert outcome.code == 0, outcome.err
    assert "note: No utterance has audio: no sound in the file." in outcome.out.splitlines()


def test_audio_in_another_language(analyze, talk):
    cut("photograph", talk / "sound.m4a", seconds=8.0, kinds=["audio"])
    foreign = srt(talk / "foreign.srt", GERMAN, seconds=2.6)
    outcome = analyze(talk / "sound.m4a", "--subtitles", foreign, "--json", "--quiet")
    assert outcome.code == 0, outcome.err
    assert "trained on English" in outcome.json["remarks"][-1]


def test_subtitles_of_another_video(analyze, talk):
    other = EXAMPLES / "phone-call.srt"
    outcome = analyze(talk / "scene.mp4", "--subtitles", other, "--json", "--quiet")
    assert outcome.json["remarks"][0] == "12 of 14 cues start after the end of the recording."
    late = pysubs2.load(str(other)).events[4:]
    file = pysubs2.SSAFile()
    file.events = late
    file.save(str(talk / "late.srt"))
    arguments = (talk / "scene.mp4", "--subtitles", talk / "late.srt", "--out", talk / "out")
    outcome = analyze(*arguments)
    assert (outcome.code, outcome.out) == (1, "")
    assert (
        "late.srt: all of its cues start after the end of scene.mp4" in outcome.err.splitlines()[-1]
    )


# Errors


def tone(path):
    times = np.arange(16000 * 3) / 16000
    soundfile.write(path, 0.3 * np.sin(2 * np.pi * 440 * times), 16000)


BAD = {
    "no file": ("talk.mp4", lambda path: None, "no such file"),
    "a folder": ("talk.mp4", lambda path: path.mkdir(), "a folder"),
    "zero bytes": ("talk.mp4", lambda path: path.touch(), "empty file"),
    "not media": ("talk.mp4", lambda path: path.write_text("hello " * 999), "not media"),
    "a tone": ("talk.wav", tone, "no speech detected"),
    "silence": (
        "talk.wav",
        lambda path: soundfile.write(path, np.zeros(48000), 16000),
        "no speech detected",
    ),
    "pictures alone": (
        "talk.mp4",
        lambda path: cut("photograph", path, seconds=1.0, kinds=["video"]),
        "give its subtitles with --subtitles",
    ),
    "an empty transcript": ("talk.txt", lambda path: path.write_text("# nothing"), "no utterance"),
}


@pytest.mark.parametrize("case", BAD)
def test_unanalysable_files_are_refused(analyze, tmp_path, case):
    name, make, message = BAD[case]
    make(tmp_path / name)
    outcome = analyze(tmp_path / name, "--quiet")
    assert (outcome.code, outcome.out) == (1, "")
    assert message in outcome.sentence
    assert str(tmp_path / name) in outcome.sentence
    assert_files(tmp_path, [] if case == "no file" else [name])


@pytest.mark.parametrize(
    ("option", "name", "message"),
    [
        ("--subtitles", "none.srt", "no such file"),
        ("--subtitles", "scene.mp4", "scene.mp4"),
        ("--turns", "none.rttm", "no such file"),
        ("--model", "none", "neither a run or model folder"),
        ("--language", "xx", "does not know the language"),
    ],
)
def test_invalid_options_are_refused(mmerc, analysis_models, talk, option, name, message):
    value = name if option == "--language" else talk / name
    model = () if option == "--model" else ("--model", analysis_models / "read")
    outcome = mmerc("analyze", talk / "scene.mp4", "--quiet", option, value, *model)
    assert outcome.code in {1, 2}
    assert message in outcome.sentence
    assert_files(talk, ["scene.mp4", "scene.srt"])


def test_transcript_needs_no_subtitles(analyze, talk):
    (talk / "talk.txt").write_text("Lewis: yes\n")
    outcome = analyze(talk / "talk.txt", "--subtitles", talk / "scene.srt")
    assert outcome.code == 2
    assert "leave --subtitles, --turns and --words out" in outcome.sentence


def test_default_model_is_refused_for_commercial_use(mmerc, talk):
    outcome = mmerc("analyze", talk / "scene.mp4", "--commercial-only", "--model", "mmerc-mini")
    assert outcome.code == 2
    assert "may not be used commercially" in outcome.sentence


def test_commercial_use_excludes_audio(analyze, talk):
    arguments = ("--subtitles", talk / "scene.srt", "--commercial-only", "--json", "--quiet")
    outcome = analyze(talk / "scene.mp4", *arguments, model="heard")
    message = "No utterance has audio: opensmile may not be used commercially."
    assert outcome.json["remarks"] == [message]


# An unwritable output folder


def test_impossible_output_folder(analyze, talk):
    (talk / "file").write_text("mine")
    for recording in (talk / "scene.mp4", EXAMPLES / "conversation.txt"):
        outcome = analyze(recording, "--out", talk / "file" / "out", "--quiet")
        assert (outcome.code, outcome.out) == (1, "")
        assert re.search(r"/file/out.*: cannot be written \(", outcome.sentence)
    assert_files(talk, ["scene.mp4", "scene.srt", "file"])


def test_full_disk_leaves_no_partial_results(analyze, talk):
    arguments = (talk / "scene.mp4", "--subtitles", talk / "scene.srt", "--quiet")
    with small_disk(8000):
        outcome = analyze(*arguments)
    assert (outcome.code, outcome.out) == (1, "")
    assert f"{talk / 'scene.html'}: cannot be written (" in outcome.sentence
    visible = {path.name for path in talk.iterdir() if not path.name.startswith(".")}
    assert visible == {"scene.mp4", "scene.srt"}
    assert analyze(*arguments).code == 0
    assert_files(talk, results("scene") | {"scene.mp4", "scene.srt"})
