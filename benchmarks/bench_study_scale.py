"""Throughput of a study on a local two-node Ray cluster, with one and two workers.

Films are copies of the first seconds of examples/phone-call.mp4 with subtitles. The rate is
measured between the first and the last finished film; start-up time is reported separately.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from ray.cluster_utils import Cluster

from bench_study import write_films


def measure_rate(films: Path, out: Path, *, workers: int) -> float:
    """Analyse a folder; return the films per minute after all workers have started."""
    command = [sys.executable, "-m", "mmerc", "analyze", films, "--out", out, "--quiet"]
    command += ["--engine", "ray", "--workers", workers]
    start, started = time.perf_counter(), time.time()
    subprocess.run([*map(str, command)], stdout=subprocess.DEVNULL, check=True)
    seconds = time.perf_counter() - start
    stored = out.glob("recordings/*/recording.json")
    times = sorted(path.stat().st_mtime - started for path in stored)
    first = times[workers - 1]
    rate = 60 * (len(times) - workers) / (times[-1] - first)
    print(
        f"{workers} workers: {seconds:.1f} s in all, {first:.1f} s until each has finished a film, "
        f"then {rate:.1f} films per minute; tables and report took {seconds - times[-1]:.1f} s"
    )
    return rate


def main() -> None:
    """Print a line per number of workers, and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--films", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=8.0, help="duration of a film")
    options = parser.parse_args()
    os.environ.setdefault("RAY_worker_niceness", "0")
    head = {"num_cpus": 1, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    cluster.add_node(num_cpus=1)
    os.environ["RAY_ADDRESS"] = cluster.address
    try:
        with tempfile.TemporaryDirectory() as name:
            films = write_films(Path(name) / "films", options.films, options.seconds)
            one, two = (
                measure_rate(films, Path(name) / str(count), workers=count) for count in (1, 2)
            )
            print(f"ratio: {two / one:.2f}")
    finally:
        cluster.shutdown()


if __name__ == "__main__":
    main()
