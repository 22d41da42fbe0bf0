"""Opt out of our dependencies' telemetry, before any of them is imported."""

from __future__ import annotations

import os

_OPT_OUTS = {
    "ORT_DISABLE_TELEMETRY": "1",  # onnxruntime: looks up a host and stores a device id
    "HF_HUB_DISABLE_TELEMETRY": "1",  # Hugging Face Hub, for itself and for transformers
    "RAY_USAGE_STATS_ENABLED": "0",  # Ray
    "PYANNOTE_METRICS_ENABLED": "0",  # pyannote.audio, which users may have
}


def opt_out_of_telemetry() -> None:
    """Set the opt-outs in this process's environment, which child processes inherit.

    A variable that is set already stays as it is.
    """
    for name, value in _OPT_OUTS.items():
        os.environ.setdefault(name, value)
