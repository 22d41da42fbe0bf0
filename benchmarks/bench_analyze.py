"""Time (relative to duration) and memory of `mmerc analyze` on long recordings.

    python benchmarks/bench_analyze.py --minutes 10       # subtitles and transcription
    python benchmarks/bench_analyze.py --minutes 60 --whole-path --sound
    python benchmarks/bench_analyze.py --minutes 4 --subtitles
    python benchmarks/bench_analyze.py --text 300 --words

The recording is examples/photograph.mp4 (640 x 480, 25 pictures per second, two speakers, a face in
every picture), repeated together with its subtitles. Each analysis runs in a separate process.
Memory is the maximum of all its processes together (the sum of their proportional set sizes, where
shared pages count once), sampled twice a second, and of the largest one (its resident set, with
shared pages). Processor time is that of all processes. ``--sound`` omits the film;
``--whole-path`` measures only transcription, at every duration; ``--subtitles`` only analyses with
subtitles. Text alone: the words of the same conversation; ``--words`` measures nothing else.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import pysubs2

from mmerc.processes import list_descendants

EXAMPLE = Path(__file__).parent.parent / "examples" / "photograph.mp4"


def repeated(times: int, folder: Path) -> tuple[Path, Path, float]:
    """Repeat the example ``times`` times; return film, subtitles and duration in seconds."""
    film, subtitles = folder / f"talk-{times}.mkv", folder / f"talk-{times}.srt"
    with av.open(str(EXAMPLE)) as source, av.open(str(film), "w") as target:
        length = Fraction(source.duration, av.time_base) + Fraction(1, 2)  # start times must ascend
        streams = {s.index: target.add_stream_from_template(s) for s in source.streams}
        for time_now in range(times):
            source.seek(0)
            for packet in source.demux():
                if packet.dts is None:
                    continue
                shift = int(length * time_now / packet.time_base)
                packet.pts, packet.dts = packet.pts + shift, packet.dts + shift
                packet.stream = streams[packet.stream.index]
                target.mux(packet)
    cues = pysubs2.load(str(EXAMPLE.with_suffix(".srt")))
    once = list(cues)
    cues.events = [moved(cue, float(length) * n) for n in range(times) for cue in once]
    cues.save(str(subtitles))
    return film, subtitles, float(length) * times


def moved(cue: pysubs2.SSAEvent, seconds: float) -> pysubs2.SSAEvent:
    copy = cue.copy()
    copy.shift(s=seconds)
    return copy


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """The cost of an analysis: wall clock and processor seconds, and megabytes."""

    seconds: float
    processors: float
    largest: float
    together: float


def analysed(*arguments: object) -> Cost:
    """Measure the cost of one `mmerc analyze`."""
    command = [
        sys.executable,
        "-m",
        "mmerc",
        "analyze",
        "--quiet",
        "--overwrite",
        *map(str, arguments),
    ]
    program = [sys.executable, __file__, "--child", *command]
    output = subprocess.run(program, check=True, capture_output=True, text=True).stdout
    seconds, processors, largest, together = map(float, output.splitlines()[-1].split())
    return Cost(seconds=seconds, processors=processors, largest=largest, together=together)


def child(command: list[str]) -> None:
    """Run a command and print its cost."""
    together, started = 0.0, time.perf_counter()
    used: dict[int, float] = {}
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    while process.poll() is None:
        together = max(together, measure_tree(process.pid))
        used |= measure_processors(process.pid)
        time.sleep(0.5)
    if process.returncode:
        raise SystemExit(process.returncode)
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = time.perf_counter() - started
    processors = max(usage.ru_utime + usage.ru_stime, sum(used.values()))  # not all are waited for
    print(seconds, processors, usage.ru_maxrss / 1024, together)


def measure_processors(root: int) -> dict[int, float]:
    """Return the processor seconds so far of a process and of each descendant."""
    seconds = {}
    for number in (root, *list_descendants(root)):
        with suppress(OSError):  # the process has ended
            fields = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()
            seconds[number] = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return seconds


def measure_tree(root: int) -> float:
    """Return the megabytes of a process and its descendants; shared pages count once."""
    total = 0
    for number in (root, *list_descendants(root)):
        with suppress(OSError):  # the process has ended
            rollup = Path(f"/proc/{number}/smaps_rollup").read_text()
            total += int(rollup.partition("Pss:")[2].split()[0])
    return total / 1024


def films(
    minutes: list[int], folder: Path, *, whole_path: bool, subtitles_only: bool, sound: bool
) -> Iterator[str]:
    """Yield one sentence per analysis of the film, or of its sound."""
    for count in minutes:
        film, subtitles, length = repeated(round(count * 60 / 48), folder)
        if sound:
            film = take_sound(film)
        ways: dict[str, list[object]] = (
            {} if whole_path else {"with subtitles": ["--subtitles", subtitles]}
        )
        if whole_path or (count == minutes[0] and not subtitles_only):
            ways["with transcription"] = []
        for name, options in ways.items():
            cost = analysed(film, *options, "--out", folder / "out" / str(count))
            yield (
                f"  {length / 60:.1f} minutes {name}: {cost.seconds:.0f} s, "
                f"{cost.seconds / length:.3f} of its length ({cost.processors / length:.3f} of the "
                f"processors); {cost.together:.0f} MB, the largest process {cost.largest:.0f} MB"
            )


def take_sound(film: Path) -> Path:
    """Extract the sound of a film to a file."""
    path = film.with_suffix(".mka")
    with av.open(str(film)) as source, av.open(str(path), "w") as target:
        stream = target.add_stream_from_template(source.streams.audio[0])
        for packet in source.demux(audio=0):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    return path


def text(folder: Path, copies: int) -> str:
    """Measure utterances per second of a transcript, without start-up time."""
    lines = [f"{cue.plaintext}\n" for cue in pysubs2.load(str(EXAMPLE.with_suffix(".srt")))]
    talk, short = folder / "talk.txt", folder / "short.txt"
    talk.write_text("".join([*lines, "\n"] * copies))
    short.write_text(lines[0])
    start, cost = (analysed(path, "--out", folder / "text") for path in (short, talk))
    count = len(lines) * copies
    rate = count / (cost.seconds - start.seconds)
    processor_rate = count / (cost.processors - start.processors)
    return (
        f"  text only: {rate:.0f} utterances per second ({count} in {cost.seconds:.1f} s, "
        f"of which {start.seconds:.1f} s to start), {processor_rate:.0f} per processor second; "
        f"{cost.together:.0f} MB"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--child", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    parser.add_argument("--minutes", type=int, nargs="+", default=[10, 60])
    parser.add_argument("--whole-path", action="store_true")
    parser.add_argument("--subtitles", action="store_true")
    parser.add_argument("--sound", action="store_true")
    parser.add_argument("--words", action="store_true")
    parser.add_argument("--text", type=int, default=500, help="copies of the conversation")
    arguments = parser.parse_args()
    if arguments.child:
        child(arguments.child)
        return
    with tempfile.TemporaryDirectory() as folder:
        if not (arguments.whole_path or arguments.subtitles):
            print(text(Path(folder), arguments.text), flush=True)
        if arguments.words:
            return
        sentences = films(
            arguments.minutes,
            Path(folder),
            whole_path=arguments.whole_path,
            subtitles_only=arguments.subtitles,
            sound=arguments.sound,
        )
        for sentence in sentences:
            print(sentence, flush=True)


if __name__ == "__main__":
    main()
