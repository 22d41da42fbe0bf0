"""Export captions for media players: WebVTT."""

from __future__ import annotations

from mmerc.inference.analysis import Analysis
from mmerc.inference.exports.tiers import TimedUtterance, describe, one_line, timed_utterances


def as_webvtt(analysis: Analysis) -> str:
    """Write one cue per utterance: speaker, emotion with probability, and the words below.

    The prediction set, if any, follows the probability; doubt about the label comes last.

    A note at the top gives the number of omitted utterances without times. Source: WebVTT (W3C
    Candidate Recommendation, 4 April 2019), section 4.
    """
    note = describe(analysis).replace("-->", "->")
    return (
        "\n\n".join(["WEBVTT", f"NOTE {note}", *map(_format_cue, timed_utterances(analysis))])
        + "\n"
    )


def _format_cue(item: TimedUtterance) -> str:
    """Format a cue: times, then at most two lines of text."""
    prediction = item.prediction
    speaker = _escape(prediction.speaker)
    emotions = "" if item.emotions is None else f" | {_escape(item.emotions)}"
    doubt = "" if item.doubt is None else " | doubtful"
    emotion = f"[{_escape(prediction.label)} {item.probability:.0%}{emotions}{doubt}]"
    # The voice tag is for style sheets and screen readers; players do not display it.
    head = f"<v {speaker}>{speaker}: {emotion}" if speaker else emotion
    lines = [f"{_clock(item.start)} --> {_clock(item.end)}", head, _escape(prediction.text)]
    return "\n".join(line for line in lines if line)


def _clock(milliseconds: int) -> str:
    """Format a time as HH:MM:SS.mmm."""
    seconds, rest = divmod(milliseconds, 1000)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}.{rest:03d}"


def _escape(text: str) -> str:
    """Escape tags, character references and arrows; join lines."""
    line = one_line(text).replace("&", "&amp;")
    return line.replace("<", "&lt;").replace(">", "&gt;")
