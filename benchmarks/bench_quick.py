"""Time of first-use commands and training steps, as ratios to reference work.

Each ratio is processor time (of a command and all its processes) divided by that of a reference:
importing torch for commands, matrix products for steps. Ratios of the fastest rounds are compared
with those in quick.json; anything more than 15 % slower is listed (exit code 1). `--store` stores
new ratios; `--against SRC` also measures another checkout's `src`, alternating with this one.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

HERE = Path(__file__).parent
STORED = HERE / "quick.json"
FILM = HERE.parent / "examples" / "photograph.mp4"
TALK = "Anna: I lost my keys again.\nBen: Oh no, that is the third time this week!\n"
SUBTITLES = (
    "1\n00:00:00,800 --> 00:00:03,897\nLewis: Stand a little to the left, please.\n\n"
    "2\n00:00:04,797 --> 00:00:07,720\nNora: Like this? I never know what to do with my hands.\n"
)
SLOWER = 1.15
ADOPT_ORPHANS = 36  # PR_SET_CHILD_SUBREAPER, of linux/prctl.h


def processor_seconds(command: Sequence[str], source: Path) -> float:
    """Return the processor time of a command and all its processes, however they end."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"} | os.environ
    environment["PYTHONPATH"] = str(source)
    subprocess.run(command, check=True, capture_output=True, env=environment)
    while True:
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            break
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def cut_film(path: Path) -> None:
    """Copy the first 8 seconds of the example film without re-encoding."""
    import av

    with av.open(str(FILM)) as source, av.open(str(path), "w") as target:
        copies = {s.index: target.add_stream_from_template(s) for s in source.streams}
        for packet in source.demux():
            if packet.dts is not None and packet.pts * packet.time_base < 8:
                packet.stream = copies[packet.stream.index]
                target.mux(packet)


def commands(folder: Path) -> Mapping[str, list[str]]:
    """Return the commands to time, with their inputs in a folder."""
    talk, film, subtitles = (folder / name for name in ("talk.txt", "film.mp4", "film.srt"))
    talk.write_text(TALK)
    cut_film(film)
    subtitles.write_text(SUBTITLES)
    mmerc = [sys.executable, "-m", "mmerc"]
    analyze = [*mmerc, "analyze", str(film), "--out", str(folder / "out"), "--overwrite"]
    return {
        "mmerc --help": [*mmerc, "--help"],
        "predict two lines": [*mmerc, "predict", str(talk), "--model", "mmerc-mini"],
        "analyze 8 s with subtitles": [*analyze, "--subtitles", str(subtitles)],
    }


def time_commands(rounds: int, sources: Sequence[Path]) -> list[dict[str, float]]:
    """Return the ratios to importing torch, for each source, from the fastest rounds."""
    times: dict[tuple[int, str], list[float]] = {}
    with tempfile.TemporaryDirectory() as name:
        work = commands(Path(name))
        work = {"import torch": [sys.executable, "-c", "import torch"], **work}
        for _ in range(rounds):
            for what, command in work.items():
                for number, source in enumerate(sources):
                    seconds = processor_seconds(command, source)
                    times.setdefault((number, what), []).append(seconds)
    ratios = []
    for number in range(len(sources)):
        best = {what: min(times[number, what]) for what in work}
        reference = best.pop("import torch")
        ratios.append({what: round(seconds / reference, 2) for what, seconds in best.items()})
    return ratios


def fastest(function: Callable[[], object], rounds: int) -> float:
    """Return the processor time of the fastest call."""
    times = []
    for _ in range(rounds):
        started = time.process_time()
        function()
        times.append(time.process_time() - started)
    return min(times)


def time_steps(rounds: int) -> dict[str, float]:
    """Return the ratios to ten products of 512 x 512 matrices."""
    import torch

    from mmerc.features.denseface.extractor import DenseFace
    from mmerc.features.speaker_faces import SpeakerFaces
    from mmerc.features.whisper_means import WhisperMeans

    torch.set_num_threads(1)
    torch.manual_seed(0)
    matrix = torch.randn(512, 512)
    whisper, faces = WhisperMeans(), DenseFace(SpeakerFaces(), version="denseface-3")
    samples = (0.1 * torch.randn(3 * 16_000)).numpy()
    crops = torch.randint(0, 256, (20, 48, 48), dtype=torch.uint8).numpy()
    work: dict[str, Callable[[], object]] = {
        "voice vector of 3 s": lambda: whisper.compute(samples),
        "vectors of 20 faces": lambda: faces.vectors_of(crops),
    }
    reference = fastest(lambda: [matrix @ matrix for _ in range(10)], 3 * rounds)
    return {
        what: round(fastest(function, rounds) / reference, 2) for what, function in work.items()
    }


def compare(measured: Mapping[str, float]) -> int:
    """Print every ratio next to the stored one; return the exit code."""
    stored = json.loads(STORED.read_text()) if STORED.is_file() else {}
    code = 0
    for what, ratio in measured.items():
        known = stored.get(what)
        change = "" if known is None else f" (stored: {known}, {ratio / known - 1:+.0%})"
        slower = known is not None and ratio > SLOWER * known
        code |= slower
        print(f"  {what}: {ratio}{change}{'  SLOWER' if slower else ''}")
    return int(code)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--against", type=Path, help="the src folder of another checkout")
    parser.add_argument("--store", action="store_true", help="store the ratios")
    arguments = parser.parse_args()
    ctypes.CDLL(None).prctl(ADOPT_ORPHANS, 1, 0, 0, 0)
    own = HERE.parent / "src"
    sources = [own] if arguments.against is None else [own, arguments.against]
    ratios, *others = time_commands(arguments.rounds, sources)
    for other in others:
        print("the other checkout:", other)
    ratios |= time_steps(10 * arguments.rounds)
    if arguments.store:
        STORED.write_text(json.dumps(ratios, indent=2) + "\n")
        print(ratios)
        return 0
    return compare(ratios)


if __name__ == "__main__":
    sys.exit(main())
