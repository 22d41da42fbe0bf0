"""Images from bytes: JPEG and PNG, upright; damaged and huge ones are rejected."""

import contextlib
import struct
import zlib
from fractions import Fraction

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from media_files import corner_names, corners, numbered

from mmerc.media import pictures
from mmerc.media.decode import Reason, decode_picture, resize, to_grey
from mmerc.media.segment import MediaError


def encoded(pixels, *, codec, pixel_format):
    frame = av.VideoFrame.from_ndarray(pixels).reformat(format=pixel_format)
    encoder = av.CodecContext.create(codec, "w")
    encoder.width, encoder.height, encoder.pix_fmt = frame.width, frame.height, pixel_format
    encoder.time_base = Fraction(1, 25)
    return b"".join(bytes(packet) for packet in [*encoder.encode(frame), *encoder.encode(None)])


def jpeg(pixels, pixel_format="yuvj444p"):
    return encoded(pixels, codec="mjpeg", pixel_format=pixel_format)


def png(pixels, pixel_format="rgb24"):
    return encoded(pixels, codec="png", pixel_format=pixel_format)


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def empty_png(width, height):
    """A PNG that claims a size but contains only a few rows."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = zlib.compress(bytes((3 * width + 1) * min(height, 10)))
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def huge_jpeg():
    data = jpeg(corners())
    begin = data.index(b"\xff\xc0") + 5
    return data[:begin] + struct.pack(">HH", 60000, 60000) + data[begin + 4 :]


def with_orientation(data, orientation):
    exif = (
        b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0"
        + bytes([orientation])
        + b"\0" * 6
    )
    return data[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + data[2:]


def test_png_is_exact():
    actual = decode_picture(png(NOISE))
    assert actual.dtype == np.uint8
    np.testing.assert_array_equal(actual, NOISE)


@pytest.mark.parametrize("pixel_format", ["yuvj420p", "yuvj422p", "yuvj444p"])
def test_jpeg_keeps_its_colours(pixel_format):
    actual = decode_picture(jpeg(corners(), pixel_format))
    assert corner_names(actual) == ["red", "green", "blue", "white"]
    assert np.abs(actual.astype(int) - corners()).mean() < 6


@pytest.mark.parametrize("pixel_format", ["gray", "gray16be", "rgba", "rgb48be"])
def test_png_variants(pixel_format):
    actual = decode_picture(png(numbered(0b1010_0101), pixel_format))
    np.testing.assert_allclose(actual, numbered(0b1010_0101), atol=1)


@pytest.mark.parametrize(
    ("orientation", "expected"),
    [
        (1, ["red", "green", "blue", "white"]),
        (3, ["white", "blue", "green", "red"]),
        (6, ["blue", "red", "white", "green"]),
        (8, ["green", "white", "red", "blue"]),
    ],
)
def test_exif_orientation_is_applied(orientation, expected):
    assert corner_names(decode_picture(with_orientation(jpeg(corners()), orientation))) == expected


NOISE = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)


def changed(data):
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 255]) + data[middle + 1 :]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no picture",
        b"GIF89a" + bytes(50),
        b"\xff\xd8\xff",
        b"\x89PNG\r\n\x1a\n",
        jpeg(NOISE)[:3000],
        png(NOISE)[:3000],
        changed(png(NOISE)),
        huge_jpeg(),
        empty_png(60000, 60000),
        empty_png(10000, 10000),
    ],
    ids=lambda data: f"{data[:4]!r} {len(data)}",
)
def test_bad_images_are_refused(data):
    with pytest.raises(
        MediaError, match="picture: not media, or damaged; give a complete JPEG or PNG"
    ):
        decode_picture(data)


def test_picture_above_8192_pixels(monkeypatch):
    with pytest.raises(MediaError) as caught:
        decode_picture(png(np.zeros((4, 8200, 3), np.uint8)))
    assert caught.value.reason == Reason.TOO_LARGE
    monkeypatch.setitem(pictures._STRICT, "max_pixels", str(64 * 48 - 1))
    for data in (jpeg(NOISE), png(NOISE)):
        with pytest.raises(MediaError):
            decode_picture(data)


@given(st.binary(max_size=200), st.sampled_from([b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b""]))
def test_any_bytes_give_an_image_or_a_media_error(data, start):
    with contextlib.suppress(MediaError):
        assert decode_picture(start + data).shape[2] == 3


def test_resize_averages_merged_pixels():
    checks = np.indices((48, 64)).sum(0) % 2 * 200
    pixels = np.repeat(checks[..., None], 3, axis=2).astype(np.uint8)
    np.testing.assert_allclose(resize(pixels, height=12, width=16), 100, atol=2)
    larger = resize(corners(), height=96, width=200)
    assert larger.shape == (96, 200, 3)
    assert corner_names(larger) == ["red", "green", "blue", "white"]


def test_resize_accepts_parts_of_images():
    half = corners()[:, 32:]
    actual = resize(half, height=10, width=10)
    np.testing.assert_array_equal(actual[1], np.tile([0, 255, 0], (10, 1)))


def test_grey_is_luma():
    actual = to_grey(corners())
    assert [int(actual[i, j]) for i in (0, -1) for j in (0, -1)] == [76, 150, 29, 255]
    assert actual.shape == (48, 64)
