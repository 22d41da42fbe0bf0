"""Recognise media files by their first bytes, without a decoder."""

from __future__ import annotations

EBML = b"\x1a\x45\xdf\xa3"
"""The first bytes of Matroska and WebM (RFC 8794, section 8.1)."""

_STARTS = {
    EBML: "matroska",
    b"RIFF": "riff",  # WAV and AVI
    b"RIFX": "riff",
    b"RF64": "riff",
    b"riff\x2e\x91\xcf\x11": "w64",
    b"FORM": "aiff",
    b".snd": "au",
    b"caff": "caf",
    b"fLaC": "flac",
    b"OggS": "ogg",
    b"wvpk": "wv",
    b"ID3": "mp3",
    b"FLV\x01": "flv",
    b"#!AMR": "amr",
    b"\x30\x26\xb2\x75\x8e\x66\xcf\x11": "asf",  # WMA and WMV
    b"\0\0\x01\xba": "mpeg",
    b"\x0b\x77": "ac3",  # and E-AC-3
    b"GIF8": "gif",
}
_MOV_BOXES = {b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"}
_TS_SYNC = 0x47
_TS_PACKETS = ((0, 188), (4, 192))  # offset and distance of sync bytes; 192: with time codes
# kbit/s by version (1; 2 and 2.5) and layer, for codes 1 to 14 (ISO/IEC 11172-3 and 13818-3).
_BIT_RATES = {
    (1, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (1, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (1, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (2, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_SAMPLE_RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}


def recognise_format(start: bytes) -> str | None:
    """Return the format of a media file with these first bytes; None if it is not supported.

    The names are FFmpeg's. MP3 and AAC frames start with a signature of only 11 bits, which also
    occurs in raw sound, so two consecutive frames are required: pass 3 kB.
    """
    if start[:8] == 4 * start[:2]:
        return None  # constant signal
    for sign, name in _STARTS.items():
        if start.startswith(sign):
            return name
    if start[4:8] in _MOV_BOXES:
        return "mov"
    if any(_has_ts_packets(start, *packets) for packets in _TS_PACKETS):
        return "mpegts"
    for name, length in (("mp3", _mpeg_frame_length(start)), ("aac", _adts_frame_length(start))):
        if length is not None and start[length : length + 2] == start[:2]:
            return name
    return None


def _has_ts_packets(start: bytes, offset: int, distance: int) -> bool:
    """Whether three packets of a transport stream start at these positions."""
    places = range(offset, offset + 3 * distance, distance)
    return len(start) > places[-1] and all(start[place] == _TS_SYNC for place in places)


def _mpeg_frame_length(start: bytes) -> int | None:
    """Return the length of a frame of MPEG audio in bytes; None if the header is not one."""
    if len(start) < 4 or start[0] != 0xFF or start[1] & 0xE0 != 0xE0:
        return None
    version, layer = start[1] >> 3 & 3, 4 - (start[1] >> 1 & 3)
    rate, frequency, padding = start[2] >> 4, start[2] >> 2 & 3, start[2] >> 1 & 1
    if version == 1 or layer == 4 or rate in {0, 15} or frequency == 3:
        return None
    bits = 1000 * _BIT_RATES[1 if version == 3 else 2, layer][rate - 1]
    hertz = _SAMPLE_RATES[version][frequency]
    if layer == 1:
        return (12 * bits // hertz + padding) * 4
    samples = 576 if layer == 3 and version != 3 else 1152
    return samples // 8 * bits // hertz + padding


def _adts_frame_length(start: bytes) -> int | None:
    """Return the length of a frame of AAC in bytes; None if the header is not one."""
    if len(start) < 7 or start[0] != 0xFF or start[1] & 0xF6 != 0xF0:
        return None
    return (start[3] & 3) << 11 | start[4] << 3 | start[5] >> 5
