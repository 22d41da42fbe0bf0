"""Which files of a folder belong to a study, and which belong together."""

import errno
import os

import pytest

from mmerc.studies.folder_listing import (
    find_recordings,
    group_by_name,
    list_folder,
    match_side_files,
)
from mmerc.studies.study_plan import plan_folder

OWN = "WEBVTT\n\nNOTE emotions in a.mp4; as mmerc-mini guesses that people would label them\n"


def touch(folder, *names, text=""):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def test_links_are_followed_only_inside_the_folder_and_cycles_end(tmp_path):
    folder, outside = tmp_path / "in", tmp_path / "outside"
    touch(folder, "a.mp4", "day/b.wav", ".hidden.mp4", ".git/c.mp4")
    touch(outside, "private.mp4")
    (folder / "inside.mp4").symlink_to("day/b.wav")
    (folder / "out.mp4").symlink_to(outside / "private.mp4")
    (folder / "circle.mp4").symlink_to("circle.mp4")
    (folder / "gone.mp4").symlink_to("nowhere.mp4")
    (folder / "day/up").symlink_to("..")
    listing = list_folder(folder)
    assert listing.files == [folder / "a.mp4", folder / "inside.mp4", folder / "day/b.wav"]
    assert listing.unusable == {
        folder / "circle.mp4": "a circular link; replace it by the file",
        folder / "gone.mp4": "a link to a file that is missing; replace it by the file",
        folder / "out.mp4": f"it points outside  {folder}; move the file into that folder",
    }
    assert listing.remarks == [f"{folder / 'day/up'}: a link to a folder, not followed."]
    plan = plan_folder(folder)
    assert sorted(item.name for item in plan.failed) == ["circle", "gone", "out"]


def test_study_results_and_own_captions_are_not_input(tmp_path):
    touch(tmp_path, "a.mp4", "study/.mmerc-study", "study/recordings/a/a.mp4", "out/b.mp4")
    touch(tmp_path, "a.vtt", text=OWN)
    listing = list_folder(tmp_path, skip=tmp_path / "out")
    assert find_recordings(listing.files) == [tmp_path / "a.mp4"]
    assert listing.remarks == [f"{tmp_path / 'study'}: a study's results, not analysed."]
    assert match_side_files(tmp_path / "a.mp4", group_by_name(listing.files)).subtitles is None


@pytest.mark.parametrize(
    ("names", "subtitles", "transcript"),
    [
        (["a.srt", "a.txt", "b.srt"], "a.srt", None),
        (["a.en.srt"], "a.en.srt", None),
        (["a.pt-BR.ass"], "a.pt-BR.ass", None),
        (["a.srt", "a.en.srt"], "a.srt", None),
        (["a.txt"], None, "a.txt"),
        (["a.rttm", "a.notes.srt", "day/a.srt"], None, None),
    ],
)
def test_side_files_are_matched_by_name(tmp_path, names, subtitles, transcript):
    touch(tmp_path, "a.mp4", *names)
    sides = match_side_files(tmp_path / "a.mp4", group_by_name(list_folder(tmp_path).files))
    assert sides.problem is None
    assert (sides.subtitles and sides.subtitles.name) == subtitles
    assert (sides.transcript and sides.transcript.name) == transcript
    assert (sides.turns is not None) == ("a.rttm" in names)


@pytest.mark.parametrize("names", [("a.srt", "a.ass"), ("a.en.srt", "a.de.srt")])
def test_ambiguous_subtitles(tmp_path, names):
    touch(tmp_path, "a.mp4", *names)
    plan = plan_folder(tmp_path)
    assert plan.recordings == ()
    assert "could each be its subtitles; keep one" in plan.failed[0].reason


def test_video_and_audio_with_the_same_name(tmp_path):
    touch(tmp_path, "a.mp4", "A.wav", "b.wav", "orphan.srt")
    plan = plan_folder(tmp_path)
    assert [item.name for item in plan.recordings] == ["b"]
    assert {item.reason for item in plan.failed} == {
        "A.wav and a.mp4 have the same name; rename one, or name them apart in study.yaml"
    }
    assert "orphan.srt is not used: no recording in its folder has its name." in plan.remarks


def test_folder_without_read_permission(tmp_path, monkeypatch):
    touch(tmp_path, "a.mp4", "closed/b.mp4")
    scan = os.scandir

    def refuse(path):  # root can read everything
        if os.fspath(path) == str(tmp_path / "closed"):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), os.fspath(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    plan = plan_folder(tmp_path)
    assert [item.name for item in plan.recordings] == ["a"]
    assert plan.failed[0].reason == "the folder cannot be read (permission denied)"


def test_subtitles_listed_in_a_study_file_are_used(tmp_path):
    touch(tmp_path, "a.mp4", "a.srt", "b.mp4", "words.vtt", "alone.srt")
    recordings = (
        "recordings:\n- {file: a.mp4, subtitles: a.srt}\n- {file: b.mp4, subtitles: words.vtt}\n"
    )
    touch(tmp_path, "study.yaml", text=recordings)
    plan = plan_folder(tmp_path)
    assert [item.subtitles.name for item in plan.recordings] == ["a.srt", "words.vtt"]
    assert plan.remarks == ("alone.srt is not used: no recording in its folder has its name.",)
