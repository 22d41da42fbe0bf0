"""`mmerc analyze` on long recordings: time as a share of their length, and memory.

The recording is examples/photograph.mp4 (640 x 480, 25 pictures a second, two speakers, a face in
every picture) played over and over, its subtitles with it. Each analysis runs in a process of its
own, so that the memory is its own. Text alone: the words of the same conversation.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import pysubs2

EXAMPLE = Path(__file__).parent.parent / "examples" / "photograph.mp4"


def repeated(times: int, folder: Path) -> tuple[Path, Path, float]:
    """The example ``times`` times in a row, its subtitles, and how long it lasts in seconds."""
    film, subtitles = folder / f"talk-{times}.mkv", folder / f"talk-{times}.srt"
    with av.open(str(EXAMPLE)) as source, av.open(str(film), "w") as target:
        length = Fraction(source.duration, av.time_base) + Fraction(1, 2)  # packets must ascend
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


def analysed(*arguments: object) -> tuple[float, float]:
    """Seconds and megabytes (the largest of its processes) of one `mmerc analyze`."""
    command = [
        sys.executable,
        "-m",
        "mmerc",
        "analyze",
        "--quiet",
        "--overwrite",
        *map(str, arguments),
    ]
    started = time.perf_counter()
    program = [sys.executable, __file__, "--child", *command]
    memory = subprocess.run(program, check=True, capture_output=True, text=True).stdout
    return time.perf_counter() - started, float(memory.splitlines()[-1])


def child(command: list[str]) -> None:
    """Run a command and print the most memory that one of its processes took."""
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)


def films(minutes: list[int], folder: Path, *, transcribe: bool) -> Iterator[str]:
    for count in minutes:
        film, subtitles, length = repeated(round(count * 60 / 48), folder)
        ways = {"with subtitles": ["--subtitles", subtitles]}
        ways |= {"with transcription": []} if transcribe and count == minutes[0] else {}
        for name, options in ways.items():
            seconds, memory = analysed(film, *options, "--out", folder / "out" / str(count))
            yield (
                f"  {length / 60:.1f} minutes {name}: {seconds:.0f} s, {seconds / length:.2f} of "
                f"its length; {memory:.0f} MB"
            )


def text(folder: Path, copies: int) -> str:
    """Utterances a second of a transcript, without what the program takes to start."""
    lines = [f"{cue.plaintext}\n" for cue in pysubs2.load(str(EXAMPLE.with_suffix(".srt")))]
    talk, short = folder / "talk.txt", folder / "short.txt"
    talk.write_text("".join([*lines, "\n"] * copies))
    short.write_text(lines[0])
    start, _ = analysed(short, "--out", folder / "text")
    seconds, memory = analysed(talk, "--out", folder / "text")
    rate = len(lines) * copies / (seconds - start)
    return (
        f"  words alone: {rate:.0f} utterances a second ({len(lines) * copies} in {seconds:.1f} s, "
        f"of which {start:.1f} s to start); {memory:.0f} MB"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--child", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    parser.add_argument("--minutes", type=int, nargs="+", default=[10, 60])
    parser.add_argument("--text", type=int, default=500, help="copies of the conversation")
    arguments = parser.parse_args()
    if arguments.child:
        child(arguments.child)
        return
    with tempfile.TemporaryDirectory() as folder:
        print(text(Path(folder), arguments.text))
        for sentence in films(arguments.minutes, Path(folder), transcribe=True):
            print(sentence, flush=True)


if __name__ == "__main__":
    main()
