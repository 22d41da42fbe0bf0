"""Kill a study at random moments: no finished recording may be lost, tables must be the same.

A study of short films and transcripts is repeatedly started and killed with SIGKILL at random
moments, every second time with all its processes. After each kill, finished results must be
unchanged and tables complete. In the end it may finish; its tables must be identical, byte for
byte, to those of an uninterrupted study.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pyarrow.parquet as pq

from bench_study import write_films, write_transcripts

_State = dict[str, tuple[int, str]]


def start(folder: Path, out: Path, workers: int) -> subprocess.Popen[bytes]:
    """Start the study in a process group of its own."""
    command = [sys.executable, "-m", "mmerc", "analyze", folder, "--out", out]
    command += ["--workers", workers, "--quiet"]
    return subprocess.Popen([*map(str, command)], stdout=subprocess.DEVNULL, start_new_session=True)


def read_state(out: Path) -> _State:
    """Return the finished recordings with time of storage and predictions."""
    state = {}
    for path in out.glob("recordings/[!.]*/recording.json"):
        json.loads(path.read_text())
        (predictions,) = path.parent.glob("*.jsonl")
        state[path.parent.name] = path.stat().st_mtime_ns, predictions.read_text()
    return state


def check_tables(out: Path) -> None:
    """Fail if an existing table is incomplete."""
    for path in out.glob("*.parquet"):
        pq.read_table(path)
    for path in out.glob("*.csv"):
        if not path.read_text().endswith("\n"):
            raise SystemExit(f"{path.name} is incomplete")


def read_tables(out: Path) -> dict[str, bytes]:
    """Read the bytes of all tables (except the report, which contains the folder's name)."""
    files = [path for path in out.iterdir() if path.is_file() and path.name != "report.html"]
    return {path.name: path.read_bytes() for path in files}


def kill(process: subprocess.Popen[bytes], *, everything: bool) -> bool:
    """Kill the command, or all its processes; return whether it was still running."""
    running = process.poll() is None
    with contextlib.suppress(ProcessLookupError):
        if everything:
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    process.wait()
    return running


def wait_for(process: subprocess.Popen[bytes], out: Path, count: int) -> None:
    """Wait until ``count`` recordings are finished, or the study has ended."""
    while process.poll() is None and len(list(out.glob("recordings/[!.]*/recording.json"))) < count:
        time.sleep(0.01)


def main() -> None:
    """Print a line per kill, and the result; exit code 1 if anything was lost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kills", type=int, nargs="?", default=20)
    parser.add_argument("--films", type=int, default=12)
    parser.add_argument("--transcripts", type=int, default=36, help="of 100 utterances each")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--most", type=int, default=4, help="finished recordings before a kill")
    parser.add_argument("--longest", type=float, default=2.0, help="more seconds before a kill")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    moments = random.Random(options.seed)
    lost = redone = kills = 0
    with tempfile.TemporaryDirectory() as name:
        folder, out, whole = (Path(name) / part for part in ("in", "out", "whole"))
        write_films(folder, options.films, 8.0)
        write_transcripts(folder / "texts", options.transcripts, 100)
        before: _State = {}
        while kills < options.kills:
            process = start(folder, out, options.workers)
            # Every fifth kill is before anything is finished; the others after a few recordings.
            all_finished = len(before) == options.films + options.transcripts
            early = all_finished or kills % 5 == 4
            more = 0 if early else moments.randint(1, options.most)
            wait_for(process, out, len(before) + more)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=moments.uniform(0, options.longest if more else 20))
            kills += kill(process, everything=bool(kills % 2))
            time.sleep(0.5)  # remaining workers exit by themselves
            after = read_state(out)
            lost += len(before.keys() - after.keys())
            redone += sum(after[key] != value for key, value in before.items() if key in after)
            check_tables(out)
            print(f"{kills} kills: {len(after)} finished", flush=True)
            before = after
        for target in (out, whole):
            if start(folder, target, options.workers).wait():
                raise SystemExit("the study failed")
        redone += sum(read_state(out)[key] != value for key, value in before.items())
        same = read_tables(out) == read_tables(whole)
    print(f"{kills} kills: {lost} recordings lost, {redone} analysed twice; tables equal: {same}")
    raise SystemExit(bool(lost or redone or not same))


if __name__ == "__main__":
    main()
