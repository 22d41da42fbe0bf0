"""How soon emotions come after speech ends, what a stream costs, and whether memory is flat.

    python benchmarks/bench_live.py latency examples/phone-call.mp4   # in real time
    python benchmarks/bench_live.py streams examples/phone-call.mp4   # two at once
    python benchmarks/bench_live.py memory examples/phone-call.mp4 --minutes 60

``latency`` plays a recording in real time; an utterance's delay is from the end of its last word
to its event. ``cpu`` is the processor time per second of sound: on a busy machine it says more than
the clock. ``memory`` plays the recording again and again, as fast as possible, with 20 s of
silence every ten minutes; ``--seconds`` and ``--pause`` play its beginning alone, and wait between.
"""

from __future__ import annotations

import argparse
import json
import os
import threading
import time
from pathlib import Path

import numpy as np

from mmerc.inference.streaming.events import LiveUtterance
from mmerc.inference.streaming.file_player import Moment, play_file
from mmerc.inference.streaming.live_components import LiveComponents
from mmerc.inference.streaming.session import LiveSession
from mmerc.media.decode import SAMPLE_RATE

PICTURES = 5.0  # per second
PIECE = SAMPLE_RATE // 10
EXAMPLE = Path(__file__).parents[1] / "examples/phone-call.mp4"


def feed(session: LiveSession, moment: Moment) -> list[LiveUtterance]:
    for seconds, picture in moment.pictures:
        session.feed_picture(seconds, picture)
    events = session.feed_sound(moment.sound)
    return [event for event in events if isinstance(event, LiveUtterance)]


def play(components: LiveComponents, path: Path, *, real_time: bool) -> dict[str, object]:
    """Follow a recording; delays of its utterances, and processor time."""
    session, moments = LiveSession(components), list(play_file(path, pictures_per_second=PICTURES))
    began, cpu, delays, lag = time.monotonic(), time.thread_time(), [], 0.0
    for moment in moments:
        end = moment.time + len(moment.sound) / SAMPLE_RATE  # the sound has been spoken by then
        if real_time:
            time.sleep(max(0.0, began + end - time.monotonic()))
        utterances = feed(session, moment)
        delays += [time.monotonic() - began - item.end for item in utterances]
        lag = time.monotonic() - began - end
    session.finish()
    return {
        "recording": path.name,
        "seconds": round(session.seconds, 1),
        "utterances": session.state().utterances,
        "delay_median": round(float(np.median(delays)), 2),
        "delay_p95": round(float(np.quantile(delays, 0.95)), 2),
        "behind_at_end": round(lag, 2),
        "cpu_of_main_thread": round((time.thread_time() - cpu) / session.seconds, 3),
    }


def resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def latency(components: LiveComponents, path: Path, _: argparse.Namespace) -> None:
    cpu = time.process_time()
    result = play(components, path, real_time=True)
    used = (time.process_time() - cpu) / float(str(result["seconds"]))
    print(json.dumps(result | {"cpu": round(used, 3)}))


def streams(components: LiveComponents, path: Path, _: argparse.Namespace) -> None:
    results: list[dict[str, object]] = []
    threads = [
        threading.Thread(
            target=lambda: results.append(play(components, path, real_time=True)), daemon=True
        )
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for result in results:
        print(json.dumps(result))


def memory(components: LiveComponents, path: Path, options: argparse.Namespace) -> None:
    moments = [moment.sound for moment in play_file(path, pictures_per_second=PICTURES)]
    moments = moments[: round(options.seconds * 10)]
    session, cpu, reported = LiveSession(components), time.process_time(), 0.0
    silence = np.zeros(PIECE, np.float32)
    while session.seconds < options.minutes * 60:
        for sound in [*moments, *[silence] * round(options.pause * 10)]:
            session.feed_sound(sound)
        if session.seconds - reported >= 600:
            for _ in range(200):
                session.feed_sound(silence)
            seconds = session.seconds - reported
            print(
                json.dumps(
                    {
                        "minutes": round(session.seconds / 60, 1),
                        "resident_mb": round(resident_mb(), 1),
                        "cpu": round((time.process_time() - cpu) / seconds, 3),
                        "utterances": session.state().utterances,
                    }
                ),
                flush=True,
            )
            reported, cpu = session.seconds, time.process_time()


MEASUREMENTS = {"latency": latency, "streams": streams, "memory": memory}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", nargs="?", default="latency", choices=list(MEASUREMENTS))
    parser.add_argument("recording", nargs="?", type=Path, default=EXAMPLE)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--seconds", type=float, default=1e6)
    parser.add_argument("--pause", type=float, default=0.0)
    parser.add_argument("--model", default=None)
    options = parser.parse_args()
    components = LiveComponents.load(options.model)
    MEASUREMENTS[options.what](components, options.recording, options)


if __name__ == "__main__":
    main()
