"""``mmerc analyze`` beside files of the user's, which it never replaces unasked."""

import pysubs2
import pytest
from folders import ENDINGS, nothing_new, results

from mmerc.cli.analysis import results_of, write_analysis
from mmerc.corpora.transcript import read_transcript
from mmerc.errors import InputError
from mmerc.inference.pipeline import Pipeline


@pytest.mark.parametrize("ending", ENDINGS)
def test_no_file_is_replaced_unasked(analyze, talk, ending):
    (talk / f"scene.{ending}").write_text("mine")
    arguments = (talk / "scene.mp4", "--subtitles", talk / "scene.srt", "--quiet")
    outcome = analyze(*arguments)
    assert (outcome.code, outcome.out) == (1, "")
    assert f"scene.{ending}: exists already" in outcome.sentence
    assert (talk / f"scene.{ending}").read_text() == "mine"
    nothing_new(talk, ["scene.mp4", "scene.srt", f"scene.{ending}"])


def test_results_are_replaced_on_demand_alone(analyze, talk):
    arguments = (talk / "scene.mp4", "--subtitles", talk / "scene.srt", "--quiet")
    assert analyze(*arguments).code == 0
    before = (talk / "scene.csv").read_bytes()
    (talk / "scene.csv").write_text("edited")
    assert "exists already" in analyze(*arguments).sentence
    assert (talk / "scene.csv").read_text() == "edited"
    assert analyze(*arguments, "--overwrite").code == 0
    assert (talk / "scene.csv").read_bytes() == before


def test_what_is_read_is_never_replaced(analyze, talk):
    pysubs2.load(str(talk / "scene.srt")).save(str(talk / "scene.vtt"))
    before = (talk / "scene.vtt").read_bytes()
    arguments = ("--subtitles", talk / "scene.vtt", "--overwrite", "--quiet")
    outcome = analyze(talk / "scene.mp4", *arguments)
    assert outcome.code == 2
    assert "scene.vtt is read, and a result would replace it; choose another --out" in outcome.err
    assert (talk / "scene.vtt").read_bytes() == before
    assert analyze(talk / "scene.mp4", *arguments, "--out", talk / "out").code == 0


def test_a_folder_or_another_recording_in_the_way(analyze, talk):
    (talk / "out" / "scene.eaf").mkdir(parents=True)
    arguments = (talk / "scene.mp4", "--subtitles", talk / "scene.srt", "--out", talk / "out")
    outcome = analyze(*arguments, "--overwrite", "--quiet")
    assert "scene.eaf: a folder where a result is to stand" in outcome.sentence
    (talk / "out" / "scene.eaf").rmdir()
    (talk / "out" / "scene.mp4").write_text("another film")
    outcome = analyze(*arguments, "--overwrite", "--quiet")
    assert "scene.mp4: another file of the recording's name" in outcome.sentence
    nothing_new(talk / "out", ["scene.mp4"])


def test_what_came_into_being_meanwhile_is_not_replaced(analysis_models, tmp_path):
    (tmp_path / "talk.txt").write_text("Lewis: yes\n")
    conversations = read_transcript(tmp_path / "talk.txt")
    analysis = Pipeline.from_pretrained(analysis_models / "read").read(conversations, name="talk")
    (tmp_path / "talk.eaf").write_text("mine")
    with pytest.raises(InputError, match=r"talk\.eaf: exists already"):
        write_analysis(analysis, tmp_path / "talk.txt", tmp_path, overwrite=False)
    nothing_new(tmp_path, ["talk.txt", "talk.eaf"])
    written = write_analysis(analysis, tmp_path / "talk.txt", tmp_path, overwrite=True)
    assert written == results_of(tmp_path / "talk.txt", tmp_path)
    nothing_new(tmp_path, results("talk") | {"talk.txt"})
