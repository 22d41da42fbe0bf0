"""On what a run was trained, for its report."""

from __future__ import annotations

import platform
from pathlib import Path

import torch

from mmerc.training.hardware import Hardware
from mmerc.training.recipe import Recipe


def describe_machine(hardware: Hardware, recipe: Recipe) -> dict[str, str | int]:
    """Kind of processor or graphics card, threads, and number format."""
    device = hardware.device
    name = torch.cuda.get_device_name() if device == "cuda" else processor()
    return {
        "device": device,
        "name": name,
        "threads": torch.get_num_threads(),
        "precision": hardware.precision(recipe),
    }


def processor() -> str:
    """The processor's name as the system gives it."""
    described = Path("/proc/cpuinfo")
    if described.is_file():
        for line in described.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
