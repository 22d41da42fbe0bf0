"""Untrusted file names."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmerc.inference.formats import ANALYSIS_FORMATS
from mmerc.serving.file_names import display_name, media_type, result_stem, subtitle_file


@pytest.mark.parametrize(
    ("given_name", "shown"),
    [
        ("talk.mp4", "talk.mp4"),
        ("../../etc/passwd", "passwd.media"),
        (r"C:\films\Übung 1.MKV", "Übung 1.MKV"),
        ("/", "recording.media"),
        ("..", "recording.media"),
        ("", "recording.media"),
        ("page.html", "page.html.media"),
        (".mp4", "mp4.media"),
        ("a\x00\nb\u202egpj.mp4", "abgpj.mp4"),
        ("x" * 400 + ".mp4", "x" * 120 + ".mp4"),
    ],
)
def test_file_name_cannot_be_a_path(given_name, shown):
    assert display_name(given_name) == shown


@given(st.text(st.characters(codec=None)))
def test_stored_names_are_never_paths_or_pages(given_name):
    name = display_name(given_name)
    assert not set(name) & set("/\\\x00") and name not in {".", ".."}
    assert len(f"{name}.TextGrid".encode()) <= 255
    assert media_type(name).split("/")[0] in {"video", "audio", "application"}
    assert all(f"{result_stem(name)}.{ending}" != name for ending in ANALYSIS_FORMATS)


def test_subtitles_are_recognised_by_extension():
    assert subtitle_file("a/b/Talk.SRT") == "subtitles.srt"
    assert subtitle_file("talk.srt.exe") is None
