"""``mmerc analyze`` next to the user's files, which it never replaces unless asked to."""

import pysubs2
import pytest
from folders import ENDINGS, assert_files, results

from mmerc.corpora.transcript import read_transcript
from mmerc.errors import InputError
from mmerc.inference.pipeline import Pipeline
from mmerc.inference.results import _result_paths, check_results, work_path, write_results


def read_transcript_of(path):
    path.write_text("Lewis: yes\n")
    return read_transcript(path)


@pytest.mark.parametrize("ending", ENDINGS)
def test_files_are_not_replaced_by_default(analyze, talk, ending):
    (talk / f"scene.{ending}").write_text("mine")
    arguments = (talk / "scene.mp4", "--subtitles", talk / "scene.srt", "--quiet")
    outcome = analyze(*arguments)
    assert (outcome.code, outcome.out) == (1, "")
    assert f"scene.{ending}: exists already" in outcome.sentence
    assert (talk / f"scene.{ending}").read_text() == "mine"
    assert_files(talk, ["scene.mp4", "scene.srt", f"scene.{ending}"])


def test_results_are_replaced_only_on_request(analyze, talk):
    arguments = (talk / "scene.mp4", "--subtitles", talk / "scene.srt", "--quiet")
    assert analyze(*arguments).code == 0
    before = (talk / "scene.csv").read_bytes()
    (talk / "scene.csv").write_text("edited")
    assert "exists already" in analyze(*arguments).sentence
    assert (talk / "scene.csv").read_text() == "edited"
    assert analyze(*arguments, "--overwrite").code == 0
    assert (talk / "scene.csv").read_bytes() == before


def test_input_is_never_replaced(analyze, talk):
    pysubs2.load(str(talk / "scene.srt")).save(str(talk / "scene.vtt"))
    before = (talk / "scene.vtt").read_bytes()
    arguments = ("--subtitles", talk / "scene.vtt", "--overwrite", "--quiet")
    outcome = analyze(talk / "scene.mp4", *arguments)
    assert outcome.code == 2
    assert "scene.vtt is an input, and a result would replace it; choose another" in outcome.err
    assert (talk / "scene.vtt").read_bytes() == before
    assert analyze(talk / "scene.mp4", *arguments, "--out", talk / "out").code == 0


def test_folder_or_other_recording_at_the_output_path(analyze, talk):
    (talk / "out" / "scene.eaf").mkdir(parents=True)
    arguments = (talk / "scene.mp4", "--subtitles", talk / "scene.srt", "--out", talk / "out")
    outcome = analyze(*arguments, "--overwrite", "--quiet")
    assert "scene.eaf: a folder has the name of a result" in outcome.sentence
    (talk / "out" / "scene.eaf").rmdir()
    (talk / "out" / "scene.mp4").write_text("another film")
    outcome = analyze(*arguments, "--overwrite", "--quiet")
    assert "scene.mp4: another file with the recording's name" in outcome.sentence
    assert_files(talk / "out", ["scene.mp4"])


def test_files_created_meanwhile_are_not_replaced(analysis_models, tmp_path):
    conversations = read_transcript_of(tmp_path / "talk.txt")
    analysis = Pipeline.from_pretrained(analysis_models / "read").read(conversations, name="talk")
    (tmp_path / "talk.eaf").write_text("mine")
    with pytest.raises(InputError, match=r"talk\.eaf: exists already"):
        write_results(analysis, tmp_path)
    assert_files(tmp_path, ["talk.txt", "talk.eaf"])
    written = write_results(analysis, tmp_path, overwrite=True)
    assert written == _result_paths(tmp_path, "talk")
    assert_files(tmp_path, results("talk") | {"talk.txt"})


@pytest.mark.parametrize("length", [246, 247, 251])
def test_invalid_result_names_are_refused_before_the_work(tmp_path, length):
    recording = tmp_path / f"{'x' * length}.mp4"
    recording.touch()
    if length + len(".TextGrid") <= 255:
        check_results(recording, tmp_path / "new")
        assert len(work_path(recording, tmp_path).name) <= 255
        return
    with pytest.raises(InputError, match=rf"names that are {length - 246} bytes too long"):
        check_results(recording, tmp_path / "new")


def test_accepted_names_can_be_written(analysis_models, tmp_path):
    conversations = read_transcript_of(tmp_path / f"{'x' * 246}.txt")
    pipeline = Pipeline.from_pretrained(analysis_models / "read")
    analysis = pipeline.read(conversations, name=f"{'x' * 246}.txt")
    assert all(path.is_file() for path in write_results(analysis, str(tmp_path)))
