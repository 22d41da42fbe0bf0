"""Memory of fine-tuning MiniLM over a training: the maximum in each tenth of the time."""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def resident_megabytes(process: int) -> int:
    """Return the current memory of a process; 0 after its end."""
    try:
        pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0
    return pages * 4096 >> 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", type=Path, help="prepared MELD")
    parser.add_argument("--epochs", type=int, default=1)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        command = [
            *(sys.executable, "-m", "mmerc", "train", "--recipe", "df-erc-meld-mini"),
            *("--corpus", str(arguments.corpus), "--out", f"{folder}/run", "--seeds", "1"),
            *("--no-cache", "--quiet", "--set", f"training.epochs={arguments.epochs}"),
            *("--set", "training.minimum_steps=1"),
        ]
        training = subprocess.Popen(command)
        samples = []
        while training.poll() is None:
            samples.append(resident_megabytes(training.pid))
            time.sleep(1)
    tenth = max(1, len(samples) // 10)
    peaks = [max(samples[i : i + tenth]) for i in range(0, len(samples), tenth)]
    length = f"{arguments.epochs} epochs, {len(samples)} s"
    print(f"fine-tuning MiniLM, {length}: {peaks} MB (bar 2,000)")


if __name__ == "__main__":
    main()
