"""Latency, cost and memory of live sessions.

    python benchmarks/bench_live.py latency      # in real time; 1 minute
    python benchmarks/bench_live.py streams      # two at once; 1 minute
    python benchmarks/bench_live.py parts        # processor time of the parts of an utterance
    python benchmarks/bench_live.py memory       # 20 minutes of dense conversation
    python benchmarks/bench_live.py memory --hours 6 --sparse
    python benchmarks/bench_live.py memory --hours 1 --sparse --real-time

``latency`` plays the example film with pictures. ``delay`` is from the end of speech (by voice
activity detection) to its last utterance; ``after_last_word`` from the end of the last word (by
Whisper). Utterances reported during speech, or together with the last one, are counted separately
(``within_speech``, from their last word). ``--virtual`` uses processor time instead of the clock,
so that other work on the machine does not matter: each piece of sound takes its processor time on
one core, and the next one waits for it. ``parts`` runs threads one after the other. ``memory``
repeats the film's sound as fast as possible, with 20 s of silence every ten minutes, and compares
the resident memory with that after ten minutes. ``--sparse`` plays 3 to 12 s from random positions,
and silence up to half a minute; words are cut, so turns rarely repeat. ``--pictures`` also plays
the film's pictures. At the end, the cost of finishing and exporting the session is printed.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from mmerc.inference.results import write_results
from mmerc.inference.streaming import open_speech
from mmerc.inference.streaming.events import LiveEvent, LiveUtterance, WordsHeard
from mmerc.inference.streaming.file_player import Moment, play_file
from mmerc.inference.streaming.live_components import LiveComponents
from mmerc.inference.streaming.session import LiveSession
from mmerc.media.decode import SAMPLE_RATE

PICTURES = 5.0  # per second
EXAMPLE = Path(__file__).parents[1] / "examples/phone-call.mp4"
SILENCE = np.zeros(SAMPLE_RATE // 10, np.float32)
REPORT = 600.0  # seconds of sound between two lines of memory


def feed(session: LiveSession, moment: Moment) -> list[LiveEvent]:
    for seconds, picture in moment.pictures:
        session.feed_picture(seconds, picture)
    return session.feed_sound(moment.sound)


@dataclass
class Clock:
    """Time at which a piece of sound has been analysed, by the clock or by processor time."""

    virtual: bool
    now: float = 0.0
    began: float = field(default_factory=time.monotonic)

    def run(self, end: float, work: Callable[[], list[LiveEvent]]) -> list[LiveEvent]:
        """Process a piece of sound that ends at ``end``, not before that time."""
        if not self.virtual:
            time.sleep(max(0.0, self.began + end - time.monotonic()))
            events = work()
            self.now = time.monotonic() - self.began
            return events
        before = time.process_time()
        events = work()
        self.now = max(self.now, end) + time.process_time() - before
        return events


def play(components: LiveComponents, path: Path, *, virtual: bool) -> dict[str, object]:
    """Play a recording in real time; return the delays of utterances and the backlog."""
    session, moments = LiveSession(components), list(play_file(path, pictures_per_second=PICTURES))
    clock, behind = Clock(virtual), 0.0
    delays: dict[str, list[float]] = {"delay": [], "after_last_word": [], "within_speech": []}
    for moment in moments:
        end = moment.time + len(moment.sound) / SAMPLE_RATE
        events = clock.run(end, lambda moment=moment: feed(session, moment))  # type: ignore[misc]
        ends = [event.end for event in events if isinstance(event, WordsHeard) and event.final]
        words = [event.end for event in events if isinstance(event, LiveUtterance)]
        if ends and words:
            delays["delay"].append(clock.now - ends[-1])
            delays["after_last_word"].append(clock.now - words.pop())
        delays["within_speech"] += [clock.now - end for end in words]
        behind = max(behind, clock.now - end)
    session.finish()
    return {
        "recording": path.name,
        "seconds": round(session.seconds, 1),
        **{name: describe(seconds) for name, seconds in delays.items()},
        "most_behind": round(behind, 2),
        "behind_at_end": round(clock.now - end, 2),
    }


def describe(seconds: list[float]) -> str:
    """Format median, 95th percentile and number."""
    if not seconds:
        return "none"
    median, most = np.quantile(seconds, (0.5, 0.95))
    return f"median {median:.2f} s, p95 {most:.2f} s ({len(seconds)})"


def latency(components: LiveComponents, given: argparse.Namespace) -> None:
    cpu = time.process_time()
    result = play(components, given.recording, virtual=given.virtual)
    used = (time.process_time() - cpu) / float(str(result["seconds"]))
    print(json.dumps(result | {"cpu_per_second": round(used, 3)}))


def streams(components: LiveComponents, given: argparse.Namespace) -> None:
    results: list[dict[str, object]] = []
    threads = [
        threading.Thread(
            target=lambda: results.append(play(components, given.recording, virtual=False))
        )
        for _ in range(given.count)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for result in results:
        print(json.dumps(result))


class OneAfterTheOther:
    """Replaces the threads that compare voices during transcription."""

    def submit(self, function: Callable[..., Any], *arguments: object) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(function(*arguments))
        return future


def parts(components: LiveComponents, given: argparse.Namespace) -> None:
    """Measure processor seconds of each part: median per call, and per second of sound."""
    components.__dict__["helpers"] = OneAfterTheOther()
    session = LiveSession(components)
    whisper: Any = components.transcriber.whisper
    spent: dict[str, list[float]] = {}
    for name, owner, attribute in [
        ("words", components.transcriber, "transcribe_samples"),
        ("words: encoder", whisper, "encode"),
        ("words: decoder", whisper, "generate_with_fallback"),
        ("words: times", whisper, "find_alignment"),
        ("voices", open_speech, "cut_span"),
        ("voice vector", open_speech, "extract_voice"),
        ("emotion and effects", session._results, "add"),
        ("voice activity", session._stream, "feed"),
        ("faces: detection", session, "_detect_faces"),
        ("faces: vectors", components.faces, "vectors_of"),
    ]:
        measure(owner, attribute, spent.setdefault(name, []))
    cpu = time.process_time()
    for moment in play_file(given.recording, pictures_per_second=PICTURES):
        feed(session, moment)
    session.finish()
    spent["everything"] = [time.process_time() - cpu]
    for name, seconds in spent.items():
        line = {"part": name, "calls": len(seconds), "median": round(float(np.median(seconds)), 3)}
        print(json.dumps(line | {"per_second": round(sum(seconds) / session.seconds, 3)}))


def measure(owner: Any, attribute: str, spent: list[float]) -> None:
    """Record the processor time of every call of a function."""
    function = getattr(owner, attribute)

    def measured(*arguments: Any, **options: Any) -> Any:
        before = time.process_time()
        try:
            return function(*arguments, **options)
        finally:
            spent.append(time.process_time() - before)

    setattr(owner, attribute, measured)


def resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def conversation(path: Path, *, sparse: bool, pictures: bool) -> Iterator[Moment]:
    """Yield an endless conversation in pieces of 0.1 s; times are within the film."""
    moments = [
        moment if pictures else replace(moment, pictures=())
        for moment in play_file(path, pictures_per_second=PICTURES)
    ]
    drawn, quiet, played = random.Random(25), Moment(time=0.0, sound=SILENCE), 0
    while True:
        turn = moments
        if sparse:
            count = drawn.randint(30, 120)
            first = drawn.randrange(len(moments) - count)
            turn = [*moments[first : first + count], *[quiet] * (300 - count)]
        yield from turn
        played += len(turn)
        if played >= 10 * REPORT:
            yield from [quiet] * 200
            played = 0


def memory(components: LiveComponents, given: argparse.Namespace) -> None:
    session, began, cpu = LiveSession(components), time.monotonic(), time.process_time()
    sizes: list[float] = []
    talk = conversation(given.recording, sparse=given.sparse, pictures=given.pictures)
    while session.seconds < given.hours * 3600:
        moment = next(talk)
        if given.real_time:
            time.sleep(max(0.0, began + session.seconds - time.monotonic()))
        late = session.seconds - moment.time
        feed(session, replace(moment, pictures=tuple((t + late, p) for t, p in moment.pictures)))
        if session.seconds < REPORT * (len(sizes) + 1):
            continue
        sizes.append(resident_mb())
        used, cpu = time.process_time() - cpu, time.process_time()
        line = describe_size(sizes) | {
            "minutes": round(session.seconds / 60),
            "cpu_per_second": round(used / REPORT, 3),
            "utterances": session.state().utterances,
        }
        print(json.dumps(line), flush=True)
    print(f"grew by at most {100 * (max(sizes) / sizes[0] - 1):.1f} % after 10 minutes", flush=True)
    cpu = time.process_time()
    session.finish()
    analysis = session.analysis()
    with tempfile.TemporaryDirectory() as folder:
        write_results(analysis, Path(folder))
    sizes.append(resident_mb())
    line = {"finish_and_export_cpu": round(time.process_time() - cpu, 2)}
    print(json.dumps(describe_size(sizes) | line))


def describe_size(sizes: list[float]) -> dict[str, object]:
    """Return the resident memory, absolute and relative to that after ten minutes."""
    grown = 100 * (sizes[-1] / sizes[0] - 1)
    return {"resident_mb": round(sizes[-1], 1), "since_10_minutes": f"{grown:+.1f} %"}


MEASUREMENTS = {"latency": latency, "streams": streams, "parts": parts, "memory": memory}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", nargs="?", default="latency", choices=list(MEASUREMENTS))
    parser.add_argument("recording", nargs="?", type=Path, default=EXAMPLE)
    parser.add_argument("--virtual", action="store_true", help="latency by processor time")
    parser.add_argument("--count", type=int, default=2, help="streams at once")
    parser.add_argument("--hours", type=float, default=1 / 3, help="of sound, for memory")
    parser.add_argument("--sparse", action="store_true", help="a turn every half minute")
    parser.add_argument("--pictures", action="store_true", help="pictures too, for memory")
    parser.add_argument("--real-time", action="store_true", help="no faster than it is spoken")
    parser.add_argument("--model", default=None)
    given = parser.parse_args()
    MEASUREMENTS[given.what](LiveComponents.load(given.model), given)


if __name__ == "__main__":
    main()
