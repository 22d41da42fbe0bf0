"""Record the machine that a seed was trained on, for reports."""

from __future__ import annotations

import platform
from pathlib import Path

import torch

from mmerc.files import write_json
from mmerc.training.hardware import Hardware
from mmerc.training.job import TrainingJob
from mmerc.training.recipe import Recipe
from mmerc.training.seed import fetch_seed, finish_seed

MACHINE = "machine.json"


def finish_seed_with_machine(job: TrainingJob) -> None:
    """Finish one seed; if it is trained here, record the machine in its folder."""
    if not fetch_seed(job):
        write_json(job.directory / MACHINE, _describe_machine(job.hardware, job.recipe))
        finish_seed(job)


def _describe_machine(hardware: Hardware, recipe: Recipe) -> dict[str, str | int]:
    """Describe CPU or GPU, threads and precision."""
    device = hardware.device
    name = torch.cuda.get_device_name() if device == "cuda" else _processor()
    return {
        "device": device,
        "name": name,
        "threads": torch.get_num_threads(),
        "precision": hardware.precision(recipe),
    }


def _processor() -> str:
    """Return the processor's name as reported by the system."""
    description = Path("/proc/cpuinfo")
    if description.is_file():
        for line in description.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
