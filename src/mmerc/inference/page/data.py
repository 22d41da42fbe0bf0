"""What the page knows of an analysis, as plain JSON values."""

from __future__ import annotations

import re
from urllib.parse import quote

from mmerc.inference.analysis import Analysis
from mmerc.inference.exports.tiers import NAMELESS, length, one_line, tiers
from mmerc.labels import PALETTE, LabelSet
from mmerc.prediction.utterance_predictions import UtterancePrediction

COLOUR = re.compile("#[0-9a-fA-F]{6}")
BLACK, WHITE = "#000000", "#ffffff"


def page_data(analysis: Analysis) -> dict[str, object]:
    """Everything that the page shows; speakers and labels stand by their place in their list.

    ``layer`` tells where in its speaker's lane an utterance lies, None where it has no times.
    """
    speakers = list(dict.fromkeys(item.speaker for item in analysis.predictions))
    layers = {item.position: tier.layer for tier in tiers(analysis) for item in tier.utterances}
    utterances = [
        utterance(item, speakers.index(item.speaker), analysis) | {"layer": layers.get(position)}
        for position, item in enumerate(analysis.predictions)
    ]
    return {
        "recording": one_line(analysis.recording),
        "media": media_url(analysis.recording),
        "duration": length(analysis) / 1000,
        "model": one_line(analysis.model),
        "labels": labels(analysis.labels),
        "speakers": [one_line(speaker) or NAMELESS for speaker in speakers],
        "utterances": utterances,
        "remarks": list(analysis.remarks),
    }


def media_url(recording: str) -> str:
    """The recording's address, relative to the page."""
    try:
        name = recording.encode("utf-8", "surrogateescape")  # as file systems spell it
    except UnicodeEncodeError:
        name = recording.encode("utf-8", "replace")
    return "./" + quote(name, safe="")


def utterance(item: UtterancePrediction, speaker: int, analysis: Analysis) -> dict[str, object]:
    """One utterance; probabilities in the order of the labels."""
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
    }


def labels(label_set: LabelSet) -> list[dict[str, str]]:
    """Names, colours, and what can be read on each colour."""
    made = []
    for place, (name, given) in enumerate(zip(label_set, label_set.colours, strict=True)):
        # Colours come out of a model's file and may be anything.
        colour = given if COLOUR.fullmatch(given) else PALETTE[place % len(PALETTE)]
        made.append({"name": one_line(name), "colour": colour, "ink": ink(colour)})
    return made


def ink(colour: str) -> str:
    """Black or white, whichever has more contrast with ``colour`` (WCAG 2.2, contrast ratio)."""
    light = luminance(colour)
    return BLACK if (light + 0.05) / 0.05 >= 1.05 / (light + 0.05) else WHITE


def luminance(colour: str) -> float:
    """Relative luminance, 0 to 1 (WCAG 2.2, sRGB)."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
