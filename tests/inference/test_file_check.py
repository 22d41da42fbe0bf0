"""``check_file`` uses the same readers as the analysis."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from mmerc.inference.file_check import check_file, check_files

CASES = Path(__file__).parents[1] / "media" / "data" / "cases"
EXAMPLES = Path(__file__).parents[2] / "examples"


def test_video_file():
    report = check_file(EXAMPLES / "phone-call.mp4")
    assert report.kind == "recording"
    assert report.facts == {
        "seconds": pytest.approx(56.5, abs=0.1),
        "channels": 1,
        "width": 640,
        "height": 480,
        "frames_per_second": 25,
    }
    assert report.remarks == ()
    assert report.problem is None


def test_recordings_joined_end_to_end():
    report = check_file(CASES / "chained.opus")
    assert report.facts["seconds"] == pytest.approx(10.276, abs=0.001)
    assert report.remarks == (
        "No film: faces have no part in the analysis.",
        "2 recordings, joined end to end; they are read as one.",
    )


def test_truncated_recording(tmp_path):
    data = (EXAMPLES / "phone-call.mp4").read_bytes()
    path = tmp_path / "cut.mp4"
    path.write_bytes(data[: int(0.95 * len(data))])
    report = check_file(path)
    assert report.problem or "cannot be read" in report.remarks[0]


def test_subtitles():
    report = check_file(CASES / "unreadable-times.srt")
    assert report.kind == "subtitles"
    assert report.facts == {
        "utterances": 4,
        "with_times": 2,
        "words": 25,
        "from": 0.1,
        "to": 6.5,
        "speakers": {"Mara": 2, "Tom": 2},
    }
    assert len(report.remarks) == 1
    assert "lines 6 and 14" in report.remarks[0]


def test_speaker_turns():
    report = check_file(CASES / "speakers-with-spaces.rttm")
    assert report.kind == "speaker turns"
    assert report.facts["seconds_of_speakers"] == {"Mara Jones": 4.1, "Mara Smith": 3.7}


def test_transcript_and_a_manifest(tmp_path):
    transcript, manifest = tmp_path / "talk.txt", tmp_path / "talk.jsonl"
    transcript.write_text("Mara: Hello.\nTom: Yes, it is.\n\nMara: No.\n")
    report = check_file(transcript)
    assert (report.kind, report.facts["conversations"]) == ("transcript", 2)
    assert report.facts["speakers"] == {"Mara": 2, "Tom": 1}
    manifest.write_text('{"id": "a", "utterances": [{"id": "1", "text": "Hello there."}]}\n')
    report = check_file(manifest)
    assert (report.kind, report.facts["words"]) == ("manifest", 2)


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        ("SPEAKER talk 1 0 1 <NA> <NA> A <NA> <NA>", "speaker turns"),
        ("1\n00:00:01,000 --> 00:00:02,000\nHello.", "subtitles"),
        ('{"id": "a", "utterances": [{"id": "1", "text": "Hi."}]}', "manifest"),
        ("Mara: Hello.", "transcript"),
    ],
)
def test_kind_is_detected_by_content(tmp_path, content, kind):
    path = tmp_path / "file"
    path.write_text(content)
    report = check_file(path)
    assert (report.kind, report.problem) == (kind, None)


@pytest.mark.parametrize("name", ["none.mp4", "empty.mp4", "bad.srt", "folder", "words.md"])
def test_unreadable_files_are_problems(tmp_path, name):
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "bad.srt").write_text("no times")
    (tmp_path / "folder").mkdir()
    (tmp_path / "words.md").write_text("nothing here")
    report = check_file(str(tmp_path / name))
    assert report.problem is not None
    assert name in report.problem
    assert report.facts == {}


def test_subtitles_beyond_the_end_of_the_recording(tmp_path):
    late = tmp_path / "late.srt"
    late.write_text("1\n00:00:01,000 --> 00:01:02,000\nHello.\n")
    film, subtitles = check_files([EXAMPLES / "phone-call.mp4", late])
    assert film.remarks == ()
    assert subtitles.remarks == ("late.srt continues to 62.0 s; the recording ends at 56.5 s.",)


@pytest.mark.parametrize("name", ["film.mp4", "talk.wav"])
@pytest.mark.parametrize("text", ["<!DOCTYPE html>\nNot found: 404", "version: 1\noid: 4d7a\n"])
def test_text_under_the_name_of_a_recording(tmp_path, name, text):
    """A web page or a pointer, saved in place of the recording, is no transcript."""
    path = tmp_path / name
    path.write_text(text)
    report = check_file(path)
    assert report.kind == "recording"
    assert "not media, or damaged" in report.problem


def test_part_of_the_sound_that_is_not_read(tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, np.ones(48000), 16000)
    data = bytearray(path.read_bytes())
    start = data.index(b"data") + 4
    data[start : start + 4] = (32000).to_bytes(4, "little")
    path.write_bytes(data)
    assert any(remark.startswith("The header states 1.0 s") for remark in check_file(path).remarks)


TEXTS = {
    "a.srt": "1\n00:00:00,000 --> 00:00:01,000\nMara: Hé, hello there\n",
    "a.vtt": "WEBVTT\n\n00:00.000 --> 00:01.000\n<v Mara>Hello “there”\n",
    "a.ass": "[Script Info]\n\n[Events]\nFormat: Start, End, Name, Text\n"
    "Dialogue: 0:00:00.00,0:00:01.00,Mara,Hello\n",
    "a.sbv": "0:00:00.000,0:00:01.000\nHello\n",
    "japanese.srt": "1\n00:00:00,000 --> 00:00:01,000\nそれは\u3000良い考えだと思います\n",
    "a.rttm": "SPEAKER talk 1 0.10 2.00 <NA> <NA> Mara <NA> <NA>\n",
    "a.ctm": "talk A 0.10 0.30 hello\n",
    "a.json": '{"segments": [{"start": 0.0, "end": 1.0, "text": "Hello", '
    '"words": [{"word": "Hello", "start": 0.0, "end": 1.0}]}]}',
    "a.jsonl": '{"id": "c", "utterances": [{"id": "1", "text": "Hi", "speaker": "Mara"}]}\n',
    "a.txt": "Mara: Hello\nTom: No, not again\n",
    "a.csv": "speaker,text\nMara,Hello\nTom,No\n",
    "a.tsv": "speaker\ttext\nMara\tHello\nTom\tNo\n",
}


@pytest.mark.parametrize("name", TEXTS)
def test_utf16_needs_a_byte_order_mark(tmp_path, name):
    path = tmp_path / name
    path.write_text(TEXTS[name], encoding="utf-8")
    expected = check_file(path)
    assert expected.problem is None
    path.write_bytes(TEXTS[name].encode("utf-16"))
    assert check_file(path) == expected
    for encoding, order in (("utf-16-le", "little-endian"), ("utf-16-be", "big-endian")):
        path.write_bytes(TEXTS[name].encode(encoding))
        report = check_file(path)
        assert report.problem == (
            f"{path}: UTF-16 text ({order}) without a byte-order mark; save it as UTF-8."
        )
