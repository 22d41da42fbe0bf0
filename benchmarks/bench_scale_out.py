"""Throughput of a service with one and with several workers (`mmerc worker`), in jobs per minute.

A server that runs no jobs itself shares SQLite in a new folder, or the PostgreSQL database
--database, with the workers. The example film with its subtitles is uploaded --jobs times at once;
time is from the first upload until all are done. Workers are warm (each has run a job before).

A job uses all cores of its worker, so more workers on the same cores gain nothing. With --cores,
each worker gets this many separate cores, as if it had its own machine.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench_service import Server, ended, upload


@contextmanager
def working(folder: Path, options: list[str], *, cores: list[str]) -> Iterator[None]:
    """Start workers on these lists of cores; stop them at the end."""
    command = [sys.executable, "-m", "mmerc", "worker", "--jobs-folder", str(folder), *options]
    with open(folder.with_suffix(".workers.log"), "w") as log:
        workers = [
            subprocess.Popen(["taskset", "--cpu-list", own, *command], stdout=log, stderr=log)
            for own in cores
        ]
    try:
        yield
    finally:
        for worker in workers:
            worker.terminate()
        for worker in workers:
            worker.wait()


def run_jobs(url: str, count: int) -> float:
    """Return the seconds from the first of ``count`` uploads until all jobs are done."""
    started = time.perf_counter()
    outcomes = {ended(address) for address in [upload(url) for _ in range(count)]}
    if outcomes != {"done"}:
        raise SystemExit(f"jobs ended as {', '.join(sorted(outcomes))}")
    return time.perf_counter() - started


def share_cores(count: int, each: int | None) -> list[str]:
    """Return the cores of every worker, for taskset."""
    every = sorted(os.sched_getaffinity(0))
    if each is None:
        return [",".join(map(str, every))] * count
    if count * each > len(every):
        raise SystemExit(f"{count} workers with {each} cores each need more than {len(every)}")
    return [",".join(map(str, every[i * each : (i + 1) * each])) for i in range(count)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--jobs", type=int, default=6)
    parser.add_argument("--cores", type=int, help="cores per worker (default: all)")
    parser.add_argument("--database", help="postgresql://...")
    given = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    shared = ["--jobs-database", given.database] if given.database else []
    for count in given.workers:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name) / "jobs"
            options = ["--max-running-jobs", "0", "--shared-jobs", *shared]
            cores = share_cores(count, given.cores)
            with Server(folder, *options) as server, working(folder, shared, cores=cores):
                run_jobs(server.url, count)
                seconds = run_jobs(server.url, given.jobs)
        rate = 60 * given.jobs / seconds
        print(f"{count} workers: {rate:.1f} jobs per minute ({seconds / given.jobs:.1f} s per job)")


if __name__ == "__main__":
    main()
