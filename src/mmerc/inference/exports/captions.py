"""Emotions as captions that a player shows: WebVTT."""

from __future__ import annotations

from mmerc.inference.analysis import Analysis
from mmerc.inference.exports.tiers import TimedUtterance, about, one_line, timed


def as_webvtt(analysis: Analysis) -> str:
    """One cue an utterance: who speaks, the emotion with its probability, and below it the words.

    A note at the head says how many utterances have no times and are left out. Source: WebVTT (W3C
    Candidate Recommendation, 4 April 2019), section 4.
    """
    note = about(analysis).replace("-->", "->")
    return "\n\n".join(["WEBVTT", f"NOTE {note}", *map(cue, timed(analysis))]) + "\n"


def cue(item: TimedUtterance) -> str:
    """Times, then at most two lines of text."""
    said = item.prediction
    speaker = escaped(said.speaker)
    emotion = f"[{escaped(said.label)} {item.probability:.0%}]"
    # The voice is for style sheets and screen readers; players do not show it.
    head = f"<v {speaker}>{speaker}: {emotion}" if speaker else emotion
    lines = [f"{clock(item.start)} --> {clock(item.end)}", head, escaped(said.text)]
    return "\n".join(line for line in lines if line)


def clock(milliseconds: int) -> str:
    """Time as HH:MM:SS.mmm."""
    seconds, rest = divmod(milliseconds, 1000)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}.{rest:03d}"


def escaped(text: str) -> str:
    """One line in which nothing is taken for a tag, a reference or an arrow."""
    line = one_line(text).replace("&", "&amp;")
    return line.replace("<", "&lt;").replace(">", "&gt;")
