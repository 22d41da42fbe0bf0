"""Convert a cue's text to plain lines: remove markup, resolve character references.

Every pattern stops at the next bracket of its own kind, so that reading time is linear in the
length even for malicious cues.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

from mmerc.media.text_files import without_invisible

_VOICE = re.compile(r"<v(?:\.[^\s<>]*)?\s([^<>]*)>")  # WebVTT: <v Ann>, <v.loud Ann>
WORD_TIME = re.compile(r"<\d[\d:.,]*>")  # WebVTT: when a word appears
_TAGS = "b|i|u|s|c|v|em|strong|font|ruby|rt|lang|span|p|div|center|small|big|sub|sup|a|tt|code"
_TAG = re.compile(rf"</?(?:{_TAGS})(?:[.\s/][^<>]*)?>", re.IGNORECASE)
_OVERRIDE = re.compile(r"\{\\[^{}]*\}|\{[a-zA-Z]:[^{}]*\}")  # {\an8} in any format, {y:i}
_ASS_OVERRIDE = re.compile(r"\{[^{}]*\}")  # in ASS a comment as well
_DRAWING = re.compile(r"\{[^{}]*\\p[1-9]")  # ASS: what follows is a shape
_LINE_BREAK = re.compile(r"\\[Nn]|\n|<br\s*/?>", re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_SOUND = re.compile(r"\[[^\[\]]*\]|\([^()]*\)|[♩♪♫♬][^♩♪♫♬]*[♩♪♫♬]?")


def split_voices(text: str, *, name: str, ass: bool) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield speakers named by the format ("" if none) with their lines in a cue's raw text.

    ``name`` is the speaker of everything before the first ``<v Name>``.
    """
    if _DRAWING.search(text):
        return
    first, *voices = _VOICE.split(text)
    pieces = [(name, first), *zip(voices[::2], voices[1::2], strict=True)]
    for voice, piece in pieces:
        lines = tuple(line for line in _plain_lines(piece, ass=ass) if line)
        if lines or len(pieces) == 1:
            yield _squeeze(_resolve(voice)), lines


def _plain_lines(text: str, *, ass: bool = False) -> Iterator[str]:
    """Yield lines without markup, with resolved character references and single spaces."""
    override = _ASS_OVERRIDE if ass else _OVERRIDE
    for line in _LINE_BREAK.split(WORD_TIME.sub("", text)):
        bare = override.sub("", _TAG.sub("", line)).replace(r"\h", " ")
        yield _squeeze(_resolve(bare))


def _resolve(text: str) -> str:
    """Resolve ``&amp;`` and the like; unchanged if a number is out of range."""
    try:
        return html.unescape(text)
    except ValueError:
        return text


def _squeeze(text: str) -> str:
    """Collapse spaces; remove invisible characters and those a terminal might interpret."""
    return " ".join(_CONTROL.sub(" ", without_invisible(text)).split())


def only_sounds(text: str) -> bool:
    """Whether a text consists only of music and described sounds."""
    rest = _SOUND.sub("", text)
    return rest != text and not any(map(str.isalnum, rest))
