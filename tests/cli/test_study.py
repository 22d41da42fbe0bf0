"""``mmerc analyze`` on several recordings, ``mmerc study`` and ``mmerc watch``."""

import csv
import json
import re
import shutil
import signal
import threading
import time

import pandas
import pyarrow.parquet
import pytest
from folders import results

import mmerc as api
from short_films import EXAMPLES

TABLES = ("utterances", "recordings", "speakers", "transitions")
ANN = "Ann: You came!\nBob: I said I would.\nAnn: Nobody told me.\n"
TIMED = "[00:01] Ann: I am glad.\n[00:04] Bob: My secret.\n[00:09] Ann: I see.\n[00:12] Bob: Yes.\n"


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "in"
    path.mkdir()
    return path


def rows(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def tables(out):
    """The bytes of all tables, without the report, which contains the folder's name."""
    files = [path for path in out.iterdir() if path.is_file() and path.name != "report.html"]
    return {path.name: path.read_bytes() for path in files}


def test_folder_with_bad_recordings_is_analysed_once(analyze, folder, talk, tmp_path):
    out = tmp_path / "out"
    for name in ("scene.mp4", "scene.srt"):
        shutil.copy(talk / name, folder)
    (folder / "ann.txt").write_text(ANN.replace("You came", "=2+3"))
    (folder / "notes.pdf").write_text("mine")
    (folder / "bad.mp4").write_text("no film at all " * 99)
    (folder / "twice.mp4").write_text("x")
    for suffix in ("srt", "vtt"):
        (folder / f"twice.{suffix}").write_text("x")
    for day in ("monday", "tuesday"):
        (folder / day).mkdir()
        (folder / day / "same.txt").write_text(ANN)
    outcome = analyze(folder, "--out", out)
    assert outcome.code == 1
    assert outcome.out.splitlines()[0] == "6 recordings: 2 analysed, 0 unchanged, 4 failed"
    assert f"note: {folder}: other files were not used: .pdf (1)." in outcome.err.splitlines()
    assert "recordings: 6 of 6" in outcome.err.splitlines()
    reasons = [(row["recording"], row["reason"]) for row in rows(out / "failed.csv")]
    assert [name for name, _ in reasons] == ["bad", "same", "same", "twice"]
    assert "not media" in reasons[0][1]
    assert "monday/same.txt and tuesday/same.txt have the same name" in reasons[1][1]
    assert "twice.srt and twice.vtt could each be its subtitles" in reasons[3][1]
    names = {path.name for path in (out / "recordings/scene").iterdir()}
    assert names == results("scene") | {"scene.mp4", "recording.json"}
    said = rows(out / "utterances.csv")
    assert [row["recording"] for row in said] == ["ann"] * 3 + ["scene"] * 2
    assert said[0]["text"] == "'=2+3!"  # no formula for a spreadsheet
    assert [row["speaker"] for row in said[3:]] == ["Lewis", "Nora"]
    single = [json.loads(line) for line in (out / "recordings/scene/scene.jsonl").open()]
    assert [row["emotion"] for row in said[3:]] == [item["label"] for item in single]
    study = api.Study(out)
    assert study.utterances()["text"][0] == "=2+3!"
    assert study.recordings()["absent_audio"].tolist() == [1.0, 1.0]
    assert study.speakers()["utterances"].sum() == 5
    assert study.transitions()["count"].sum() == 3

    before = tables(out)
    outcome = analyze(folder, "--out", out, "--json", "--quiet")
    assert (outcome.json["analysed"], outcome.json["unchanged"]) == (0, 2)
    assert [item["recording"] for item in outcome.json["failed"]] == [name for name, _ in reasons]
    assert tables(out) == before

    for name in ("bad.mp4", "twice.mp4", "monday/same.txt"):
        (folder / name).unlink()
    (folder / "ann.txt").write_text(ANN)
    outcome = analyze(folder, "--out", out, "--json", "--quiet")
    assert outcome.code == 0, outcome.err
    assert (outcome.json["analysed"], outcome.json["unchanged"]) == (2, 1)  # "ann" and "same"
    assert rows(out / "failed.csv") == []
    assert rows(out / "utterances.csv")[0]["text"] == "You came!"


def test_codebook_covers_every_column_and_both_files_agree(analyze, folder, tmp_path):
    (folder / "a.txt").write_text(ANN)
    (folder / "b.txt").write_text(ANN)
    (folder / "study.yaml").write_text(
        "recordings:\n- {file: a.txt, participant: 007, condition: on, columns: {age: 34}}\n"
        "- {file: b.txt, participant: p2, columns: {age: 35, site: 01}}\n"
    )
    out = tmp_path / "out"
    outcome = analyze(folder / "study.yaml", "--out", out, "--quiet")
    assert outcome.code == 0, outcome.err
    sections = re.split(r"^## ", (out / "codebook.md").read_text(), flags=re.MULTILINE)
    for name in (*TABLES, "failed", "measures"):
        header = (out / f"{name}.csv").read_text().splitlines()[0].split(",")
        explained = next(part for part in sections if part.startswith(f"{name}.csv"))
        assert re.findall(r"^\| `([^`]+)`", explained, re.MULTILINE) == header
        assert len(set(header)) == len(header)
        if name not in ("failed", "measures"):
            assert pyarrow.parquet.read_schema(out / f"{name}.parquet").names == header
    frame = api.Study(out).utterances()
    assert frame["participant"].tolist() == ["007"] * 3 + ["p2"] * 3
    assert frame["condition"].tolist()[:3] == ["on"] * 3
    assert frame["age"].tolist() == [34] * 3 + [35] * 3
    assert frame["site"].tolist()[3:] == ["01"] * 3
    assert pandas.read_csv(out / "utterances.csv")["age"].tolist() == frame["age"].tolist()
    probabilities = frame[[name for name in frame.columns if name.startswith("probability_")]]
    assert probabilities.sum(axis=1).tolist() == pytest.approx([1.0] * 6, abs=1e-4)


def test_excluded_parts_are_missing_and_speakers_become_participants(analyze, folder, tmp_path):
    (folder / "a.txt").write_text(TIMED)
    (folder / "b.txt").write_text(TIMED)
    (folder / "study.yaml").write_text(
        "exclude: [b.txt]\nrecordings:\n- file: b.txt\n"
        "- {file: a.txt, participant: p1, speakers: {Ann: p1, Bob: p2}, exclude: [5-6.5]}\n"
    )
    out = tmp_path / "out"
    outcome = analyze(folder, "--out", out, "--quiet")
    assert outcome.code == 0, outcome.err
    assert [path.name for path in (out / "recordings").iterdir()] == ["a"]
    said = rows(out / "utterances.csv")
    assert [(row["speaker"], row["participant"]) for row in said] == [
        ("Ann", "p1"), ("Ann", "p1"), ("Bob", "p2"),
    ]  # fmt: skip
    for path in (path for path in out.rglob("*") if path.is_file()):
        assert b"secret" not in path.read_bytes(), path
    between = rows(out / "transitions.csv")
    assert [(row["from_speaker"], row["to_speaker"]) for row in between] == [("Ann", "Bob")]


CONTRADICTIONS = {
    "two groups": (
        "- {file: a.txt, participant: p1, group: x}\n- {file: b.txt, participant: p1, group: y}",
        "participant p1 is in group x (a) and in group y (b)",
    ),
    "two groups by speakers": (
        "- {file: a.txt, group: x, speakers: {Ann: p1}}\n"
        "- {file: b.txt, participant: p1, group: y}",
        "participant p1 is in group x (a) and in group y (b)",
    ),
    "not among the speakers": (
        "- {file: a.txt, participant: p1, speakers: {Ann: p2}}",
        "its participant p1 is not among its `speakers` (p2)",
    ),
    "a file twice": ("- file: a.txt\n- {file: a.txt, name: c}", "a.txt is listed twice"),
    "one name": ("- file: a.txt\n- {file: b.txt, name: A}", "a.txt and b.txt have the same name"),
    "a table's column": (
        "- {file: a.txt, columns: {Emotion: x}}",
        "the tables already have a column 'Emotion'",
    ),
    "case alone": (
        "- {file: a.txt, columns: {age: 3}}\n- {file: b.txt, columns: {Age: 3}}",
        "'age' and 'Age' differ only in case",
    ),
    "a key twice": ("- {file: a.txt, group: x, group: y}", "the key 'group' of line"),
    "an unknown key": ("- {file: a.txt, age: 3}", "recordings.1.age: no such key"),
    "a part backwards": ("- {file: a.txt, exclude: [9-3]}", "'9-3' is not a part"),
    "out of the folder": ("- file: ../a.txt", "../a.txt is outside the study's folder"),
    "an absolute path": ("- file: /etc/passwd", "/etc/passwd is outside the study's folder"),
    "a URL": ("- file: https://example.org/a.mp4", "https://example.org/a.mp4 is a URL"),
    "a link that points outside": ("- file: out.txt", "out.txt is a link that points outside"),
    "an unknown exclusion": (
        "- file: a.txt\nexclude: [z.txt]",
        "z.txt is not one of the recordings",
    ),
    "a name that is a path": ("- {file: a.txt, name: ../x}", "'../x' cannot be the name"),
    "no list": ("  file: a.txt", "recordings: expected a list"),
    "no keys": ("- a.txt", "recordings.1: expected keys and values"),
    "half a character": ('- file: "\\ud800.txt"', "half a Unicode character in line 2"),
    "a null byte": ('- {file: "a\\0.txt", name: a}', "is not the name of a file"),
    "no recordings": ("", "recordings: missing"),
    "missing files": (
        "- {file: a.txt, name: a1}\n- file: lost.mp4\n- {file: day}\n- {file: circle.txt}\n"
        "- {file: b.txt, subtitles: lost.srt, turns: lost.rttm}",
        "missing files: lost.mp4, day, circle.txt, lost.srt, lost.rttm",
    ),
}


@pytest.mark.parametrize("case", CONTRADICTIONS)
def test_contradictory_study_file(mmerc, folder, tmp_path, case):
    for name in ("a.txt", "b.txt"):
        (folder / name).write_text(ANN)
    (tmp_path / "private.txt").write_text(ANN)
    (folder / "out.txt").symlink_to(tmp_path / "private.txt")
    (folder / "circle.txt").symlink_to("circle.txt")
    (folder / "day").mkdir()
    text, message = CONTRADICTIONS[case]
    (folder / "study.yaml").write_text(f"recordings:\n{text}\n")
    outcome = mmerc("analyze", folder / "study.yaml", "--out", tmp_path / "out")
    assert outcome.code == 1
    assert message in outcome.sentence
    assert str(folder / "study.yaml") in outcome.sentence
    assert not (tmp_path / "out").exists()


def test_study_needs_its_own_folder(mmerc, folder, tmp_path):
    (folder / "a.txt").write_text(ANN)
    (folder / "b.txt").write_text(ANN)
    assert "--out" in mmerc("analyze", folder).sentence
    assert mmerc("analyze", folder / "a.txt", folder / "b.txt").code == 2
    outcome = mmerc("analyze", folder, "--out", folder)
    assert f"{folder}: contains other files" in outcome.sentence
    outcome = mmerc("analyze", folder, "--out", tmp_path / "out", "--subtitles", folder / "a.srt")
    assert "matched to recordings by name" in outcome.sentence
    (folder / "empty").mkdir()
    outcome = mmerc("analyze", folder / "empty", "--out", tmp_path / "out")
    assert "contains no recording" in outcome.sentence


def test_study_init_writes_a_readable_file_and_never_replaces_it(mmerc, analyze, folder):
    (folder / "one").mkdir()
    for path in (folder / "talk.txt", folder / "one/talk.txt", folder / "o'no.txt"):
        path.write_text(ANN)
    outcome = mmerc("study", "init", folder)
    assert outcome.code == 0, outcome.err
    text = (folder / "study.yaml").read_text()
    outcome = mmerc("study", "init", folder)
    assert "exists already" in outcome.sentence
    assert (folder / "study.yaml").read_text() == text
    outcome = analyze(folder, "--out", folder / "study", "--quiet", "--json")
    assert outcome.code == 0, outcome.err
    names = {path.name for path in (folder / "study/recordings").iterdir()}
    assert names == {"talk-txt", "one-talk-txt", "o'no"}
    assert "no recording" in mmerc("study", "init", folder / "study/recordings/o'no").sentence


def test_sigkill_keeps_finished_recordings(analyze, program, analysis_models, folder, tmp_path):
    for number in range(10):
        (folder / f"t{number:02}.txt").write_text(ANN * (1 + number))
    model = ("--model", analysis_models / "read", "--workers", "1", "--quiet")
    out = tmp_path / "out"
    kills = 0
    for count in (2, 6):
        process = program.start("analyze", folder, "--out", out, *model)
        while process.poll() is None:
            if len(list(out.glob("recordings/t*/recording.json"))) >= count:
                process.send_signal(signal.SIGKILL)
                kills += process.wait() == -signal.SIGKILL
            time.sleep(0.005)
        times = {path: path.stat().st_mtime_ns for path in out.glob("recordings/t*/recording.json")}
    assert kills >= 1
    outcome = analyze(folder, "--out", out, "--json", "--quiet")
    assert outcome.code == 0, outcome.err
    assert outcome.json["unchanged"] >= len(times) >= 6
    assert all(path.stat().st_mtime_ns == stamp for path, stamp in times.items())
    assert not list(out.glob("recordings/.*"))
    undisturbed = tmp_path / "undisturbed"
    assert analyze(folder, "--out", undisturbed, "--quiet").code == 0
    assert tables(out) == tables(undisturbed)


def test_watch_analyses_complete_files_only(mmerc, analysis_models, folder, tmp_path):
    (folder / "first.txt").write_text(ANN)
    (folder / "growing.txt").write_text("Ann: You")
    ended = threading.Event()

    def grow():
        for _ in range(8):
            with open(folder / "growing.txt", "a") as file:
                file.write("\nBob: And so on.")
            time.sleep(0.15)
        ended.set()

    writer = threading.Thread(target=grow)
    writer.start()
    arguments = ("--out", tmp_path / "out", "--interval", "0.4", "--until-idle", "3")
    model = ("--model", analysis_models / "read", "--workers", 1, "--quiet")
    outcome = mmerc("watch", folder, *arguments, *model, "--json")
    writer.join()
    assert outcome.code == 0, outcome.err
    assert ended.is_set()
    frame = api.Study(tmp_path / "out").utterances()
    assert frame["recording"].value_counts().to_dict() == {"first": 3, "growing": 9}


def test_ctrl_c_stops_watching(program, analysis_models, folder, tmp_path):
    (folder / "a.txt").write_text(ANN)
    out, printed = tmp_path / "out", tmp_path / "printed"
    model = ("--model", analysis_models / "read", "--workers", "1", "--interval", "0.5")
    process = program.start("watch", folder, "--out", out, *model, stdout=printed)
    try:
        while not (out / "codebook.md").exists():
            assert process.poll() is None
            time.sleep(0.05)
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        assert process.wait() == 0
    finally:
        process.kill()
    assert printed.read_text().splitlines()[0] == "1 recordings: 1 analysed, 0 unchanged, 0 failed"


def test_full_disk_keeps_finished_results(analyze, folder, disk, set_free_space, tmp_path):
    for number in range(3):
        (folder / f"t{number}.txt").write_text(ANN)
    set_free_space(250_000)
    outcome = analyze(folder, "--out", disk / "out", "--quiet")
    assert (outcome.code, outcome.out) == (1, "")
    assert "no space left on device" in outcome.sentence
    finished = {path: path.stat().st_mtime_ns for path in disk.glob("out/recordings/t*/*.json")}
    set_free_space()
    outcome = analyze(folder, "--out", disk / "out", "--quiet", "--json")
    assert outcome.code == 0, outcome.err
    assert outcome.json["unchanged"] == len(finished)
    assert all(path.stat().st_mtime_ns == stamp for path, stamp in finished.items())


def test_example_videos_are_matched_with_subtitles_by_name(mmerc, tmp_path):
    from mmerc.studies.study_plan import plan_files

    plan = plan_files([EXAMPLES / "phone-call.mp4", EXAMPLES / "photograph.mp4"])
    assert [item.subtitles for item in plan.recordings] == [
        EXAMPLES / "phone-call.srt", EXAMPLES / "photograph.srt",
    ]  # fmt: skip
