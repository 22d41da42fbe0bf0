"""Examples in the OpenAPI description; the answer is mmerc-mini's to the request."""

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
            "label": "neutral",
            "probabilities": {
                "neutral": 0.634898,
                "surprise": 0.235621,
                "fear": 0.018595,
                "sadness": 0.032134,
                "joy": 0.033327,
                "disgust": 0.018248,
                "anger": 0.027177,
            },
            "weights": {"text": 0.754187, "audio": None, "video": None},
            "similarity": 0.0,
            "context_weight": 1.0,
            "effects": _NO_MEDIA,
            "context_effect": -0.014612,
            "layer_weights": {},
            "left_out": _TRUSTED,
        },
        {
            "conversation": "kitchen",
            "id": "2",
            "speaker": "Tom",
            "text": "Ugh, stuck to that slimy old cheese.",
            "start": None,
            "end": None,
            "label": "sadness",
            "probabilities": {
                "neutral": 0.113045,
                "surprise": 0.080608,
                "fear": 0.133624,
                "sadness": 0.280685,
                "joy": 0.0926,
                "disgust": 0.161783,
                "anger": 0.137655,
            },
            "weights": {"text": 0.332142, "audio": None, "video": None},
            "similarity": 0.0,
            "context_weight": 1.0,
            "effects": _NO_MEDIA,
            "context_effect": 0.009831,
            "layer_weights": {},
            "left_out": _TRUSTED,
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
    "expires": None,
    "files": {},
}
_PROBLEM: JsonDict = {"detail": "The queue is full; try again in a minute."}
_EXAMPLES = {
    "PredictRequest": _REQUEST,
    "PredictAnswer": _ANSWER,
    "JobAnswer": _JOB,
    "Problem": _PROBLEM,
}


class DescribedApp(FastAPI):
    """An application with examples in its description; FastAPI itself would omit their nulls."""

    def openapi(self) -> dict[str, Any]:
        description = super().openapi()
        for name, example in _EXAMPLES.items():
            description["components"]["schemas"][name]["examples"] = [example]
        return description
