"""Opt out of our dependencies' telemetry, before any of them is imported."""

from __future__ import annotations

import os

_OPT_OUTS = {
    "ORT_DISABLE_TELEMETRY": "1",  # onnxruntime; it contacts a host and stores a device id
    "HF_HUB_DISABLE_TELEMETRY": "1",  # Hugging Face Hub, also used by transformers
    "RAY_USAGE_STATS_ENABLED": "0",  # Ray
    "PYANNOTE_METRICS_ENABLED": "0",  # pyannote.audio, if installed by the user
}


def opt_out_of_telemetry() -> None:
    """Set the opt-outs in the environment of this process and its children.

    Variables that are already set are not changed.
    """
    for name, value in _OPT_OUTS.items():
        os.environ.setdefault(name, value)
