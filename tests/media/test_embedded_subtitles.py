"""Subtitles embedded in videos: the track that is read, and messages if there is none."""

import struct
from fractions import Fraction

import av
import pytest

from mmerc.errors import InputError
from mmerc.inference.file_check import check_file
from mmerc.media.embedded_subtitles import embedded_subtitle_remarks
from mmerc.media.subtitles import read_subtitles
from short_films import cut

CUES = ((100, 400, "Mara: Hello"), (500, 900, "Tom: Hi"))
MILLISECONDS = Fraction(1, 1000)


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return cut("photograph", tmp_path_factory.mktemp("clip") / "clip.mp4", seconds=1.0)


@pytest.fixture
def film(clip, tmp_path):
    """A function that writes a video with tracks of (codec, language, cues)."""

    def write(*tracks, name="talk.mkv"):
        path = tmp_path / name
        with av.open(clip) as source, av.open(path, "w") as target:
            sound = source.streams.audio[0]
            copied = target.add_stream_from_template(sound)
            added = [target.add_mux_stream(codec) for codec, _, _ in tracks]
            for stream, (_, language, _) in zip(added, tracks, strict=True):
                stream.time_base = MILLISECONDS
                if language:
                    stream.metadata["language"] = language
            for packet in source.demux(sound):
                if packet.dts is not None:
                    packet.stream = copied
                    target.mux(packet)
            for stream, (codec, _, cues) in zip(added, tracks, strict=True):
                for start, end, text in cues:
                    target.mux(subtitle_packet(stream, codec, start, end, text))
        return path

    return write


def subtitle_packet(stream, codec, start, end, text):
    data = text.encode()
    if codec == "mov_text":
        data = struct.pack(">H", len(data)) + data
    packet = av.Packet(data)
    packet.stream, packet.time_base = stream, MILLISECONDS
    packet.pts = packet.dts = start
    packet.duration = end - start
    return packet


@pytest.mark.parametrize(
    ("codec", "name", "words"),
    [
        ("subrip", "talk.mkv", "<i>Hi</i> there\nagain"),
        ("webvtt", "talk.mkv", "<i>Hi</i> there\nagain"),
        ("mov_text", "talk.mp4", "Hi there\nagain"),
    ],
)
def test_embedded_text_is_read_as_subtitles(film, codec, name, words):
    cues = ((100, 400, "Mara: Hello"), (500, 900, f"Tom: {words}"))
    subtitles = read_subtitles(film((codec, "eng", cues), name=name))
    first, second = subtitles.utterances
    assert (first.speaker, first.text) == ("Mara", "Hello")
    assert (second.speaker, second.text) == ("Tom", "Hi there again")
    times = (first.start, first.end, second.start, second.end)
    assert times == pytest.approx(
        (0.1, 0.4, 0.5, 0.9), abs=0.07
    )  # shifted by a frame, like the audio
    assert subtitles.language == "en"
    assert subtitles.remarks == ()


def test_damaged_ass_line_is_read_as_words(film):
    cues = ((100, 400, "0,0,Default,Mara,0,0,0,,Hello, you"), (500, 900, "1,0,Hi"))
    first, second = read_subtitles(film(("ass", "eng", cues))).utterances
    assert (first.speaker, first.text) == ("Mara", "Hello, you")
    assert (second.speaker, second.text) == ("unknown", "1,0,Hi")


def test_first_track_is_read_and_others_are_reported(film):
    path = film(("subrip", "ger", CUES[:1]), ("subrip", None, CUES[1:]))
    subtitles = read_subtitles(path)
    assert [item.speaker for item in subtitles.utterances] == ["Mara"]
    assert subtitles.language == "de"
    assert subtitles.remarks == (
        "talk.mkv has several subtitles; those marked as its own are used (de), not the others "
        "(unknown).",
    )
    assert embedded_subtitle_remarks(path) == (
        "The film has embedded subtitles (de, unknown); to use their words, pass --subtitles "
        "talk.mkv.",
    )


def test_check_reports_embedded_subtitles(film):
    report = check_file(film(("subrip", "eng", CUES)))
    assert report.kind == "recording"
    assert any("has embedded subtitles (en); to use" in line for line in report.remarks)


def test_image_tracks_and_videos_without_subtitles_are_refused(film, clip):
    pictures = film(("hdmv_pgs_subtitle", "eng", ((0, 500, "picture"),)))
    with pytest.raises(InputError, match=r"its subtitles are images; give them as SRT or WebVTT"):
        read_subtitles(pictures)
    with pytest.raises(InputError, match="no embedded subtitles; give them as SRT or WebVTT"):
        read_subtitles(clip)
    assert embedded_subtitle_remarks(pictures) == ()
    assert embedded_subtitle_remarks(clip) == ()


def test_track_without_cues_is_refused(film):
    with pytest.raises(InputError, match="its subtitles have no cue"):
        read_subtitles(film(("subrip", "eng", ())))
