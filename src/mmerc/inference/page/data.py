"""The data of an analysis for the page, as JSON values."""

from __future__ import annotations

import re
from urllib.parse import quote

from mmerc.inference.analysis import Analysis, Marks
from mmerc.inference.exports.tiers import NAMELESS, build_tiers, duration_ms, one_line
from mmerc.labels import PALETTE, LabelSet
from mmerc.prediction.utterance_prediction import UtterancePrediction

_COLOUR = re.compile("#[0-9a-fA-F]{6}")
_BLACK, _WHITE = "#000000", "#ffffff"


def page_data(analysis: Analysis) -> dict[str, object]:
    """Return the page's data; utterances refer to speakers and labels by index.

    ``layer``: an utterance's row in its speaker's lane, None without times.
    """
    speakers = list(dict.fromkeys(item.speaker for item in analysis.predictions))
    layers = {
        item.position: tier.layer for tier in build_tiers(analysis) for item in tier.utterances
    }
    utterances = [
        _utterance_data(item, speakers.index(item.speaker), analysis)
        | {"layer": layers.get(position)}
        for position, item in enumerate(analysis.predictions)
    ]
    return {
        "recording": one_line(analysis.recording),
        "media": _media_url(analysis.recording),
        "duration": duration_ms(analysis) / 1000,
        "model": one_line(analysis.model),
        "labels": label_data(analysis.labels),
        "speakers": [one_line(speaker) or NAMELESS for speaker in speakers],
        "utterances": utterances,
        "remarks": list(analysis.remarks),
        "set_level": analysis.set_level,
    }


def _media_url(recording: str) -> str:
    """Return the recording's URL, relative to the page."""
    try:
        name = recording.encode("utf-8", "surrogateescape")  # the bytes in the file system
    except UnicodeEncodeError:
        name = recording.encode("utf-8", "replace")
    return "./" + quote(name, safe="")


def _utterance_data(
    item: UtterancePrediction, speaker: int, analysis: Analysis
) -> dict[str, object]:
    """Return one utterance; probabilities are in label order."""
    marks = analysis.marks.get(item.id, Marks())
    return {
        "speaker": speaker,
        "text": item.text,
        "start": item.start,
        "end": item.end,
        "label": analysis.labels.index(item.label),
        "probabilities": [item.probabilities[name] for name in analysis.labels],
        "effects": dict(item.effects),
        "absent": dict(analysis.absent.get(item.id, {})),
        "context": item.context_effect,
        "set": None if item.emotions is None else [analysis.labels.index(k) for k in item.emotions],
        "unsure": bool(item.unsure),
        "overlap": marks.overlap,
        "doubtful": [utf16_place(item.text, place) for place in marks.doubtful],
        "doubt": marks.label,
    }


def utf16_place(text: str, place: tuple[int, int]) -> list[int]:
    """Convert a text span to UTF-16 units, as in JavaScript."""
    return [len(text[:end].encode("utf-16-le", "surrogatepass")) // 2 for end in place]


def label_data(label_set: LabelSet) -> list[dict[str, str]]:
    """Return the labels' names, colours, and readable text colours."""
    labels = []
    for position, (name, colour) in enumerate(zip(label_set, label_set.colours, strict=True)):
        # Colours come from a model's file, so they may contain anything.
        valid = colour if _COLOUR.fullmatch(colour) else PALETTE[position % len(PALETTE)]
        labels.append({"name": one_line(name), "colour": valid, "ink": _text_colour(valid)})
    return labels


def _text_colour(colour: str) -> str:
    """Return black or white, whichever contrasts more with ``colour`` (WCAG 2.2)."""
    light = _luminance(colour)
    return _BLACK if (light + 0.05) / 0.05 >= 1.05 / (light + 0.05) else _WHITE


def _luminance(colour: str) -> float:
    """Return the relative luminance, 0 to 1 (WCAG 2.2, sRGB)."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
