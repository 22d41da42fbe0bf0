"""Examples of the protocol, by type of message; tests send and receive them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_Examples = Mapping[str, Sequence[Mapping[str, Any]]]
_SESSION = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"
_TEXT = "Wait, they're in the fridge?"
_UTTERANCE: dict[str, Any] = {
    "index": 1,
    "start": 0.6,
    "end": 2.1,
    "text": _TEXT,
    "speaker": "speaker 1",
    "emotion": "surprise",
    "probabilities": {
        "neutral": 0.24,
        "surprise": 0.58,
        "fear": 0.03,
        "sadness": 0.04,
        "joy": 0.03,
        "disgust": 0.02,
        "anger": 0.06,
    },
    "effects": {"text": 0.21, "audio": 0.05, "video": None},
    "context_effect": 0.01,
    "modalities": ["text", "audio"],
    "absent": {"video": "the session has no video"},
    "overlap": 0.0,
    "doubtful_places": [[20, 28]],
    "doubtful_label": None,
}
CLIENT_EXAMPLES: _Examples = {
    "start": [
        {"type": "start", "version": 1, "format": "pcm_s16le", "sample_rate": 16000},
        {
            "type": "start",
            "version": 1,
            "format": "webm_opus",
            "video": True,
            "keep": True,
            "name": "interview",
        },
        {
            "type": "start",
            "version": 1,
            "format": "pcm_f32le",
            "sample_rate": 16000,
            "words": "client",
        },
    ],
    "resume": [{"type": "resume", "version": 1, "session": _SESSION, "after": 3}],
    "client_words": [
        {
            "type": "words",
            "words": [
                {"text": "Wait,", "start": 0.6, "end": 0.9, "speaker": "Mara"},
                {"text": "what?", "start": 0.9, "end": 1.3, "probability": 0.9},
            ],
        }
    ],
    "picture": [{"type": "picture", "time": 0.4}],
    "end": [{"type": "end"}],
}
SERVER_EXAMPLES: _Examples = {
    "started": [
        {
            "type": "started",
            "version": 1,
            "sequence": 0,
            "session": _SESSION,
            "resumed": False,
            "received": 0,
            "model": "mmerc-mini-live",
            "labels": [
                {"name": "neutral", "colour": "#999999", "ink": "#000000"},
                {"name": "surprise", "colour": "#E69F00", "ink": "#000000"},
            ],
            "limits": {
                "largest_message": 1000000,
                "largest_picture": 300000,
                "most_pixels": 921600,
                "pictures_per_second": 5.0,
                "longest": 7200.0,
                "longest_silence": 600.0,
                "longest_pause": 60.0,
                "grace": 600.0,
            },
        }
    ],
    "speech_started": [{"type": "speech_started", "version": 1, "sequence": 1, "time": 0.6}],
    "words": [
        {
            "type": "words",
            "version": 1,
            "sequence": 2,
            "start": 0.6,
            "end": 2.1,
            "text": _TEXT,
            "words": [{"text": "Wait,", "start": 0.6, "end": 0.9, "probability": 0.97}],
            "final": True,
        }
    ],
    "utterance": [{"type": "utterance", "version": 1, "sequence": 3, **_UTTERANCE}],
    "correction": [
        {
            "type": "correction",
            "version": 1,
            "sequence": 4,
            "index": 1,
            "reason": "speaker",
            "utterance": {**_UTTERANCE, "speaker": "speaker 2"},
        }
    ],
    "stats": [
        {
            "type": "stats",
            "version": 1,
            "sequence": 4,
            "received": 96000,
            "seconds": 3.0,
            "behind": 0.0,
            "real_time_factor": 0.3,
            "dropped_frames": 0,
        }
    ],
    "error": [
        {
            "type": "error",
            "version": 1,
            "sequence": 4,
            "code": "message",
            "message": "The message is not JSON; send one JSON object per text message.",
            "fatal": False,
        }
    ],
    "ended": [
        {
            "type": "ended",
            "version": 1,
            "sequence": 5,
            "reason": "client",
            "seconds": 3.0,
            "utterances": 1,
            "job": None,
            "files": {"jsonl": f"/v1/live/{_SESSION}/files/jsonl"},
        }
    ],
}
