"""Examples in the OpenAPI description; the answer is mmerc-mini's real answer."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from pydantic.config import JsonDict, JsonValue

_LABELS: list[JsonValue] = ["neutral", "surprise", "fear", "sadness", "joy", "disgust", "anger"]
_UTTERANCES: list[JsonValue] = [
    {"id": "1", "speaker": "Mara", "text": "Wait, they're in the fridge?"},
    {"id": "2", "speaker": "Tom", "text": "Ugh, stuck to that slimy old cheese."},
]
_REQUEST: JsonDict = {"conversations": [{"id": "kitchen", "utterances": _UTTERANCES}]}
_NO_MEDIA: JsonDict = {"text": None, "audio": None, "video": None}
_TRUSTED: JsonDict = {"text": False, "audio": False, "video": False}
_ANSWER: JsonDict = {
    "model": "mmerc-mini",
    "labels": _LABELS,
    "predictions": [
        {
            "conversation": "kitchen",
            "id": "1",
            "speaker": "Mara",
            "text": "Wait, they're in the fridge?",
            "start": None,
            "end": None,
            "label": "surprise",
            "probabilities": {
                "neutral": 0.365366,
                "surprise": 0.446741,
                "fear": 0.041987,
                "sadness": 0.046932,
                "joy": 0.027439,
                "disgust": 0.024217,
                "anger": 0.047319,
            },
            "weights": {"text": 0.6034, "audio": None, "video": None},
            "similarity": 0.0,
            "context_weight": 1.0,
            "effects": _NO_MEDIA,
            "context_effect": 0.004341,
            "layer_weights": {},
            "left_out": _TRUSTED,
            "emotions": None,
            "unsure": None,
        },
        {
            "conversation": "kitchen",
            "id": "2",
            "speaker": "Tom",
            "text": "Ugh, stuck to that slimy old cheese.",
            "start": None,
            "end": None,
            "label": "disgust",
            "probabilities": {
                "neutral": 0.07238,
                "surprise": 0.067203,
                "fear": 0.094825,
                "sadness": 0.251057,
                "joy": 0.072289,
                "disgust": 0.260575,
                "anger": 0.18167,
            },
            "weights": {"text": 0.326583, "audio": None, "video": None},
            "similarity": 0.0,
            "context_weight": 1.0,
            "effects": _NO_MEDIA,
            "context_effect": -0.012151,
            "layer_weights": {},
            "left_out": _TRUSTED,
            "emotions": None,
            "unsure": None,
        },
    ],
}
_JOB: JsonDict = {
    "id": "0f1e2d3c4b5a69788796a5b4c3d2e1f0",
    "name": "talk.mp4",
    "state": "running",
    "stage": "video",
    "done": 3,
    "total": 12,
    "ahead": 0,
    "reason": None,
    "reasons": [],
    "expires": None,
    "files": {},
}
_PROBLEM: JsonDict = {"detail": "The queue is full; try again in a minute."}
_AUTHOR: JsonDict = {"rater": "Ann", "time": 1764450000.125}
_CORRECTION: JsonDict = {
    "number": 1,
    "rater": "Ann",
    "time": 1764450000.125,
    "kind": "label",
    "target": None,
    "lines": ["2"],
    "values": "joy",
}
_CORRECT: JsonDict = {
    "rater": "Ann",
    "revision": 0,
    "key": "5f0c9a52-6d1b-4b7e",
    "blind": False,
    "edit": {"kind": "label", "id": "2", "label": "joy"},
}
_CORRECTIONS: JsonDict = {
    "revision": 1,
    "recording": "talk.mp4",
    "media": True,
    "duration": 61.2,
    "model": "mmerc-mini",
    "predicts_again": True,
    "sample": False,
    "labels": [
        {"name": "neutral", "colour": "#999999", "ink": "#000000"},
        {"name": "joy", "colour": "#f0e442", "ink": "#000000"},
    ],
    "order": None,
    "lines": [
        {
            "id": "2",
            "speaker": "Tom",
            "text": "Ugh, stuck to that slimy old cheese.",
            "start": 2.5,
            "end": 4.75,
            "label": "joy",
            "predicted": "neutral",
            "probabilities": {"neutral": 0.81, "joy": 0.19},
            "excluded": False,
            "stale": False,
            "overlap": 0.0,
            "doubtful": [[15, 20]],
            "doubt": None,
            "authors": {"label": _AUTHOR},
        }
    ],
    "corrections": [_CORRECTION],
}
_CONFLICT: JsonDict = {
    "detail": "Meanwhile Ann chose another label for this line: \u201cjoy\u201d.",
    "corrections": [_CORRECTION],
}
_EXAMPLES = {
    "CorrectionRequest": _CORRECT,
    "CorrectionsAnswer": _CORRECTIONS,
    "ConflictAnswer": _CONFLICT,
    "PredictRequest": _REQUEST,
    "PredictAnswer": _ANSWER,
    "JobAnswer": _JOB,
    "Problem": _PROBLEM,
}


class DescribedApp(FastAPI):
    """An application with examples in its description; FastAPI would omit their nulls."""

    def openapi(self) -> dict[str, Any]:
        description = super().openapi()
        for name, example in _EXAMPLES.items():
            description["components"]["schemas"][name]["examples"] = [example]
        return description
