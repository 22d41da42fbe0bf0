"""`mmerc serve`: 50 clients that post transcripts at a time, memory, and what a job costs more.

A server in a process of its own, asked over real sockets. The transcripts are the conversations of
examples/corpus.jsonl (7 utterances each); every client posts one after the other and waits --think
seconds in between, as one who types does (0: not at all). A job's overhead: the example film
uploaded, until its job is done, against `mmerc analyze` of it, in turn; seconds on the clock, which
other work on the machine stretches, and of processors, which it hardly does. --memory: requests of
8 clients, each a transcript of its own of any length. --malformed: requests that schemathesis makes
up. Any part is left out with 0.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Self

import requests

EXAMPLES = Path(__file__).parent.parent / "examples"
FILM, SUBTITLES = EXAMPLES / "photograph.mp4", EXAMPLES / "photograph.srt"


class Server:
    """`mmerc serve` on a free port; its address is ``url``. It is stopped at the end."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        command = [sys.executable, "-m", "mmerc", "serve", "--port", str(port)]
        self.command = [*command, "--jobs-folder", str(folder), *options]
        self.start()

    def start(self) -> None:
        log = self.folder.with_suffix(".log")
        with open(log, "a") as file:
            self.process = subprocess.Popen(self.command, stdout=file, stderr=file)
        while True:
            if self.process.poll() is not None:
                raise SystemExit(log.read_text())
            try:
                requests.get(f"{self.url}/health", timeout=60)
                break
            except requests.ConnectionError:
                time.sleep(0.1)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait()


def transcripts(longest: int) -> list[bytes]:
    """Bodies of /v1/predict."""
    lines = (EXAMPLES / "corpus.jsonl").read_text(encoding="utf-8").splitlines()
    bodies = []
    for line in lines:
        record = json.loads(line)
        record["utterances"] = record["utterances"][:longest]
        bodies.append(json.dumps({"conversations": [record]}).encode())
    return bodies


def varied(count: int, *, seed: int) -> list[bytes]:
    """Transcripts of many shapes: 1 to 8 utterances, now and then 40, of 1 to 100 words."""
    records = map(json.loads, (EXAMPLES / "corpus.jsonl").read_text(encoding="utf-8").splitlines())
    words = [word for record in records for u in record["utterances"] for word in u["text"].split()]
    drawn = random.Random(seed)

    def utterance(number: int) -> dict[str, str]:
        length = min(100, 1 + int(drawn.expovariate(1 / 8)))
        return {"id": str(number), "speaker": "A", "text": " ".join(drawn.choices(words, k=length))}

    def body() -> bytes:
        size = 40 if drawn.random() < 0.01 else drawn.randint(1, 8)
        record = {"id": "a", "utterances": [utterance(number) for number in range(size)]}
        return json.dumps({"conversations": [record]}).encode()

    return [body() for _ in range(count)]


def clients(url: str, bodies: list[bytes], *, count: int, total: int, think: float) -> list[float]:
    """Seconds of every answer, the first ones first; SystemExit where one is an error."""
    first: list[float] = []
    seconds: list[float] = []
    errors = []

    def post(number: int) -> None:
        with requests.Session() as session:
            for turn in range(total // count):
                body = bodies[(number + turn * count) % len(bodies)]
                started = time.perf_counter()
                headers = {"Content-Type": "application/json"}
                try:
                    session.post(
                        f"{url}/v1/predict", data=body, headers=headers, timeout=60
                    ).raise_for_status()
                except requests.RequestException as error:
                    errors.append(str(error))
                (seconds if turn else first).append(time.perf_counter() - started)
                time.sleep(think)

    threads = [threading.Thread(target=post, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise SystemExit(f"{len(errors)} errors, first: {errors[0]}")
    return first + seconds


def load(url: str, process: int, given: argparse.Namespace) -> str:
    """How long many clients at a time wait."""
    bodies = transcripts(given.longest)
    clients(url, bodies, count=8, total=80, think=0)
    started, used = time.perf_counter(), processor(process)
    seconds = clients(url, bodies, count=given.clients, total=given.total, think=given.think)
    used, elapsed = processor(process) - used, time.perf_counter() - started
    lines = [
        f"{given.clients} clients: {text(seconds)}",
        f"without the first wave, of all at once: {text(seconds[given.clients :])}",
        f"{len(seconds) / elapsed:.0f} answers a second; {used / elapsed:.2f} processors,"
        f" {1000 * used / len(seconds):.0f} ms of one per answer",
    ]
    return "\n".join(lines)


def text(seconds: list[float]) -> str:
    ordered = sorted(seconds)
    p99 = ordered[int(0.99 * (len(ordered) - 1))]
    return f"{len(ordered)} answers, median {statistics.median(ordered):.2f} s, p99 {p99:.2f} s"


def memory(process: int) -> float:
    """Megabytes that a process takes now."""
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def processor(process: int, *, workers: bool = False) -> float:
    """Seconds of processor time that a process has taken, or workers of it that are gone."""
    fields = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
    first = 13 if workers else 11  # user time; system time comes next
    return sum(map(int, fields[first : first + 2])) / os.sysconf("SC_CLK_TCK")


def steady(url: str, process: int, *, total: int) -> str:
    """Memory over many requests, no two of them alike."""
    sizes = []
    for seed in range(10):
        clients(url, varied(total // 10, seed=seed), count=8, total=total // 10, think=0)
        sizes.append(memory(process))
    return f"memory over {total} requests: " + " ".join(f"{size:.0f}" for size in sizes) + " MB"


def upload(url: str) -> str:
    """Address of a job that analyses the example film."""
    with open(FILM, "rb") as film, open(SUBTITLES, "rb") as subtitles:
        files = {"recording": film, "subtitles": subtitles}
        return url + requests.post(f"{url}/v1/jobs", files=files, timeout=600).headers["Location"]


def ended(address: str) -> str:
    """How a job ends: done or failed."""
    while True:
        state: str = requests.get(address, timeout=60).json()["state"]
        if state not in {"queued", "running"}:
            return state
        time.sleep(0.05)


def job(url: str) -> float:
    """Seconds from the upload to the results."""
    started = time.perf_counter()
    if ended(upload(url)) != "done":
        raise SystemExit("the job failed")
    return time.perf_counter() - started


def program(folder: Path) -> float:
    """Seconds of the same on the command line."""
    started = time.perf_counter()
    command = [sys.executable, "-m", "mmerc", "analyze", FILM, "--subtitles", SUBTITLES, "--quiet"]
    told_to = [*map(str, command), "--overwrite", "--out", str(folder)]
    subprocess.run(told_to, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def of_finished_children() -> float:
    """Seconds of processor time of all children that are gone."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def overhead(folder: Path, url: str, process: int, *, pairs: int) -> str:
    """What a job takes more than the command, by the clock and by the processors' time."""
    seconds: dict[str, list[float]] = {"job": [], "analyze": []}
    used: dict[str, list[float]] = {"job": [], "analyze": []}
    program(folder)  # files are read for the first time here
    for number in range(pairs):
        for what in sorted(seconds, reverse=bool(number % 2)):
            before = processor(process, workers=True), of_finished_children()
            seconds[what].append(job(url) if what == "job" else program(folder))
            after = processor(process, workers=True), of_finished_children()
            used[what].append(after[what == "analyze"] - before[what == "analyze"])
    text = []
    for kind, outcome in (("clock", seconds), ("processors", used)):
        served, alone = statistics.median(outcome["job"]), statistics.median(outcome["analyze"])
        share = f"{100 * (served / alone - 1):+.1f} %"
        text.append(f"{kind}: job {served:.1f} s, mmerc analyze {alone:.1f} s, {share}")
    return f"overhead of a job, medians of {pairs}; " + "; ".join(text)


def malformed(url: str, total: int) -> str:
    """Requests that break the description, beside three jobs; SystemExit where one is lost.

    schemathesis raises where an answer breaks the description.
    """
    import schemathesis
    from hypothesis import HealthCheck, Verbosity, given, settings
    from hypothesis.errors import Unsatisfiable

    jobs = [upload(url) for _ in range(3)]
    described = schemathesis.openapi.from_url(f"{url}/openapi.json")
    wrong = schemathesis.GenerationMode.NEGATIVE
    statuses: Counter[int] = Counter()

    def ask(case: schemathesis.Case) -> None:
        statuses[case.call_and_validate(timeout=60).status_code] += 1

    checked = settings(
        max_examples=total // 10,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        database=None,
        verbosity=Verbosity.quiet,
    )
    while statuses.total() < total:
        for operation in described.get_all_operations():
            with suppress(Unsatisfiable):  # what takes nothing cannot be asked wrongly
                checked(given(operation.ok().as_strategy(generation_mode=wrong))(ask))()
    if {ended(address) for address in jobs} != {"done"}:
        raise SystemExit("an accepted job was lost")
    counts = ", ".join(f"{count} of {status}" for status, count in sorted(statuses.items()))
    return f"{statuses.total()} malformed requests, answered as described: {counts}; 3 jobs done"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--total", type=int, default=1000, help="transcripts")
    parser.add_argument("--clients", type=int, default=50, help="that post at a time")
    parser.add_argument("--longest", type=int, default=100, help="utterances of a transcript")
    parser.add_argument("--think", type=float, default=1.0, help="seconds between two of a client")
    parser.add_argument("--memory", type=int, default=10_000, help="requests for the memory")
    parser.add_argument("--malformed", type=int, default=1000, help="requests of schemathesis")
    parser.add_argument("--jobs", type=int, default=3, help="jobs against mmerc analyze")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, Server(Path(name) / "jobs") as server:
        url, process = server.url, server.process.pid
        if given.total:
            print(load(url, process, given), flush=True)
        if given.memory:
            print(steady(url, process, total=given.memory), flush=True)
        if given.jobs:
            print(overhead(Path(name) / "out", url, process, pairs=given.jobs), flush=True)
        if given.malformed:
            print(malformed(url, given.malformed), flush=True)


if __name__ == "__main__":
    main()
