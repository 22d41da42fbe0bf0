"""Processor time of studies compared with single calls, memory, and transcripts.

Films are copies of the first seconds of examples/phone-call.mp4 with subtitles; transcripts are
examples/conversation.txt, repeated. All processes of a command count, even if they outlive it.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import av
import pysubs2

_EXAMPLES = Path(__file__).parent.parent / "examples"
_SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER: orphaned grandchildren become our children


def measure(*arguments: object) -> tuple[float, float, float]:
    """Run the program; return seconds, processor seconds, and MB of its largest process."""
    pid = os.fork()
    if pid == 0:  # a separate process, so that its children belong to one command
        ctypes.CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0)
        start = time.perf_counter()
        command = [sys.executable, "-m", "mmerc", *map(str, arguments)]
        code = subprocess.run(command, stdout=subprocess.DEVNULL, check=False).returncode
        seconds = time.perf_counter() - start
        while True:
            try:
                os.wait()
            except ChildProcessError:
                break
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        line = f"{seconds} {used.ru_utime + used.ru_stime} {used.ru_maxrss / 1024}"
        Path(os.environ["MMERC_BENCH"]).write_text(line)
        os._exit(code)
    _, status = os.waitpid(pid, 0)
    if status:
        raise SystemExit(f"failed: {arguments}")
    seconds, processor, memory = Path(os.environ["MMERC_BENCH"]).read_text().split()
    return float(seconds), float(processor), float(memory)


def write_films(folder: Path, count: int, seconds: float) -> Path:
    """Write copies of the start of the example film, with subtitles."""
    folder.mkdir()
    cues = pysubs2.load(str(_EXAMPLES / "phone-call.srt"))
    cues.events = [cue for cue in cues if cue.end <= 1000 * seconds]
    first = folder / "film-0000.mp4"
    cut_film(_EXAMPLES / "phone-call.mp4", first, seconds)
    for number in range(count):
        film = folder / f"film-{number:04}.mp4"
        if film != first:
            shutil.copy(first, film)
        cues.save(str(film.with_suffix(".srt")))
    return folder


def cut_film(source: Path, target: Path, seconds: float) -> None:
    """Write the first seconds of a film without re-encoding."""
    with av.open(str(source)) as whole, av.open(str(target), "w") as part:
        copies = {s.index: part.add_stream_from_template(s) for s in whole.streams}
        for packet in whole.demux():
            if packet.dts is not None and packet.pts * packet.time_base < seconds:
                packet.stream = copies[packet.stream.index]
                part.mux(packet)


def write_transcripts(folder: Path, count: int, utterances: int) -> Path:
    """Write transcripts with ``utterances`` utterances each, in conversations of ten."""
    folder.mkdir()
    text = (_EXAMPLES / "conversation.txt").read_text()
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    for number in range(count):
        repeated = [lines[i % len(lines)] for i in range(utterances)]
        groups = ["\n".join(repeated[i : i + 10]) for i in range(0, utterances, 10)]
        (folder / f"talk-{number:04}.txt").write_text("\n\n".join(groups) + "\n")
    return folder


def main() -> None:
    """Print one line per measurement."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--films", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=8.0, help="duration of a film")
    parser.add_argument("--singles", type=int, default=1, help="number of single calls to measure")
    parser.add_argument("--transcripts", type=int, default=100, help="how many")
    parser.add_argument("--utterances", type=int, default=100, help="of a transcript")
    parser.add_argument("--workers", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["MMERC_BENCH"] = str(folder / "figures")
        shared = ("--workers", options.workers, "--quiet")
        if options.films:
            films = write_films(folder / "films", options.films, options.seconds)
            single = 0.0
            for number in range(options.singles):
                film = films / f"film-{number:04}.mp4"
                arguments = ("--subtitles", film.with_suffix(".srt"), *shared)
                _, processor, memory = measure("analyze", film, "--out", folder / "one", *arguments)
                print(f"single call: {processor:.1f} s of the processor, {memory:.0f} MB")
                single += processor / options.singles
            for count in sorted({1, options.films}):
                some = write_films(folder / f"films-{count}", count, options.seconds)
                out = folder / f"study-{count}"
                seconds, processor, memory = measure("analyze", some, "--out", out, *shared)
                print(
                    f"{count} films: {seconds:.1f} s, {processor:.1f} s of the processor, "
                    f"{memory:.0f} MB in the largest process, "
                    f"{processor / (count * single or 1):.2f} of single calls"
                )
        for count in sorted({options.transcripts // 4, options.transcripts} - {0}):
            some = write_transcripts(folder / f"texts-{count}", count, options.utterances)
            out = folder / f"texts-study-{count}"
            seconds, processor, memory = measure("analyze", some, "--out", out, *shared)
            print(
                f"{options.utterances * count} utterances of text in {count} transcripts: "
                f"{seconds:.1f} s, {processor:.1f} s of the processor, "
                f"{memory:.0f} MB in the largest process"
            )


if __name__ == "__main__":
    main()
