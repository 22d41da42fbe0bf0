"""Diarization of simulated conversations of one to eight people, with noise and telephone.

    python benchmarks/simulated_conversations.py DATA --half choose    # or: check

DATA has the folders ``ravdess`` and ``urdu`` with clips of single people. The two halves have
different people; the rules of ``mmerc.media.speakers`` were chosen on the first half. A
conversation has turns of one to four clips, pauses of -0.5 to 1 s, short remarks during others'
turns, unequal shares, and one room, microphone and noise. Prints the diarization error rate (collar
0.25 s, overlap included) and the accuracy of the number of speakers, with 95 % intervals (bootstrap
over conversations).
"""

from __future__ import annotations

import argparse
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import soundfile
from numpy.typing import NDArray
from scipy.signal import butter, fftconvolve, sosfilt

from mmerc.evaluation.diarization_error import DiarizationError, measure_diarization
from mmerc.media.decode import SAMPLE_RATE, read_sound
from mmerc.media.speaker_turns import Turn
from mmerc.media.speakers.diarization import find_turns

Half = Literal["choose", "check"]
_Samples = NDArray[np.float32]
_COUNTS = (1, 1, 1, 1, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 6, 6, 7, 8)
_CHANNELS = ("clean", "room", "noise", "telephone")
_CLIPS_OF_A_TURN = (1, 1, 1, 2, 2, 3, 4)
_REMARK = 0.15  # share of turns with a short remark by somebody else


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedConversation:
    """Sound at 16 kHz and its true turns."""

    name: str
    samples: _Samples
    turns: tuple[Turn, ...]


def read_people(data: Path, half: Half) -> dict[str, list[list[Path]]]:
    """Return the clips of every person, by corpus; people alternate between the halves."""
    people: dict[str, dict[str, list[Path]]] = {"ravdess": {}, "urdu": {}}
    for path in sorted((data / "ravdess").glob("*.flac")):
        people["ravdess"].setdefault(path.stem.split("-")[-1], []).append(path)
    for path in sorted((data / "urdu").rglob("*.flac")):
        people["urdu"].setdefault(path.stem.split("_")[0], []).append(path)
    first = 0 if half == "choose" else 1
    return {
        corpus: [clips for name, clips in sorted(groups.items()) if len(clips) > 3][first::2]
        for corpus, groups in people.items()
    }


def simulate(
    people: Mapping[str, Sequence[Sequence[Path]]], number: int, *, seed: int
) -> SimulatedConversation:
    """Build conversation number ``number``; reproducible for the same numbers and seed."""
    draw = np.random.default_rng([seed, number])
    count = _COUNTS[number % len(_COUNTS)]
    corpus = ("ravdess", "urdu", "both")[number % 3]
    pool = [p for name, group in people.items() if corpus in (name, "both") for p in group]
    speakers = [pool[i] for i in draw.permutation(len(pool))[:count]]
    channel = _CHANNELS[(number // len(_COUNTS) + number) % len(_CHANNELS)]
    voices = [_Voice(clips, draw, channel=channel) for clips in speakers]
    parts, time, turns = [], 0.3, []
    for speaker in _order(count, draw):
        for clip in voices[speaker].speak(int(draw.choice(_CLIPS_OF_A_TURN))):
            parts.append((time, clip))
            turns.append((speaker, time, time + len(clip) / SAMPLE_RATE))
            time += len(clip) / SAMPLE_RATE + float(draw.uniform(0.05, 0.4))
        if count > 1 and draw.random() < _REMARK:
            other = int((speaker + draw.integers(1, count)) % count)
            word = voices[other].remark()
            at = max(0.0, time - float(draw.uniform(1.0, 2.5)))
            parts.append((at, word))
            turns.append((other, at, at + len(word) / SAMPLE_RATE))
        time = max(0.0, time + float(draw.uniform(-0.5, 1.0)))
    samples = np.zeros(round((time + 4) * SAMPLE_RATE), np.float32)
    for start, clip in parts:
        first = round(start * SAMPLE_RATE)
        samples[first : first + len(clip)] += clip
    named = tuple(Turn(speaker=str(who), start=start, end=end) for who, start, end in turns)
    name = f"{number:02d}-{corpus}-{channel}-{count}"
    return SimulatedConversation(name=name, samples=_record(samples, channel, draw), turns=named)


def _order(count: int, draw: np.random.Generator) -> list[int]:
    """Draw the speakers of turns: everybody once, then by unequal shares; never twice in a row."""
    shares = draw.dirichlet(np.full(count, 1.5))
    order = draw.permutation(count).tolist()
    for _ in range(4 + 2 * count):
        order.append(int(draw.choice(count, p=shares)))
    order = [order[i] for i in draw.permutation(len(order))]
    return [who for i, who in enumerate(order) if i == 0 or count == 1 or who != order[i - 1]]


class _Voice:
    """A person's clips in random order, trimmed, from one position in the room."""

    def __init__(self, clips: Sequence[Path], draw: np.random.Generator, *, channel: str) -> None:
        self.clips = [clips[i] for i in draw.permutation(len(clips))]
        self.loudness = float(10 ** (draw.uniform(-4, 4) / 20))
        self.echo = _draw_echo(draw) if channel in ("room", "noise") else None
        self.draw, self.next = draw, 0

    def speak(self, count: int) -> list[_Samples]:
        """Return the next clips; start again when all are used."""
        clips = []
        for _ in range(count):
            samples = _trim(read_sound(self.clips[self.next % len(self.clips)]))
            self.next += 1
            if self.echo is not None:
                samples = fftconvolve(samples, self.echo)[: len(samples)].astype(np.float32)
            clips.append(samples * np.float32(0.05 * self.loudness / samples.std()))
        return clips

    def remark(self) -> _Samples:
        """Return 0.4 to 0.9 s of the next clip."""
        (clip,) = self.speak(1)
        length = round(float(self.draw.uniform(0.4, 0.9)) * SAMPLE_RATE)
        start = int(self.draw.integers(0, max(1, len(clip) - length)))
        return clip[start : start + length]


def _trim(samples: _Samples) -> _Samples:
    """Trim both ends that are 35 dB below the loudest 20 ms."""
    frames = samples[: len(samples) // 320 * 320].reshape(-1, 320)
    energy = np.square(frames).mean(1)
    loud = np.flatnonzero(energy > energy.max() * 10**-3.5)
    return samples[loud[0] * 320 : (loud[-1] + 1) * 320]


def _draw_echo(draw: np.random.Generator) -> NDArray[np.float64]:
    """Draw a room response of 0.2 to 0.5 s: direct sound, then noise that decays by 60 dB."""
    seconds = float(draw.uniform(0.2, 0.5))
    times = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    tail = draw.normal(size=len(times)) * 10 ** (-3 * times / seconds)
    tail *= float(draw.uniform(0.3, 1.0)) / np.sqrt(np.square(tail).sum())
    tail[0] = 1.0
    return tail


def _record(samples: _Samples, channel: str, draw: np.random.Generator) -> _Samples:
    """Simulate the recording: noise at 25 dB, or 10 to 20 dB, or the telephone band."""
    ratio = float(draw.uniform(10, 20)) if channel == "noise" else 25.0
    noise = np.cumsum(draw.normal(size=len(samples)))  # brown noise ...
    noise = sosfilt(butter(2, 60, "highpass", fs=SAMPLE_RATE, output="sos"), noise)
    noise = noise / noise.std() + 0.2 * draw.normal(size=len(samples))  # ... with some hiss
    loud = np.sqrt(np.square(samples[np.abs(samples) > 1e-4]).mean())
    mixed = samples + noise / noise.std() * loud * 10 ** (-ratio / 20)
    if channel == "telephone":
        band = butter(4, (300, 3400), "bandpass", fs=SAMPLE_RATE, output="sos")
        mixed = np.rint(sosfilt(band, mixed) * 2**9) / 2**9  # coarse steps, as in companding
    return np.asarray(mixed, np.float32)


def interval(values: Sequence[Sequence[float]]) -> tuple[float, float, float]:
    """Return the ratio of sums in percent (numerators, denominators) with its 95 % interval."""
    table = np.array(values)
    draws = np.random.default_rng(0).integers(len(table), size=(2000, len(table)))
    ratios = 100 * table[draws].sum(1)[:, 0] / table[draws].sum(1)[:, 1]
    low, high = np.percentile(ratios, (2.5, 97.5))
    return 100 * table[:, 0].sum() / table[:, 1].sum(), float(low), float(high)


def report(title: str, errors: Sequence[DiarizationError]) -> None:
    """Print error rate and counts with their intervals."""
    rate = interval([(e.missed + e.false_alarm + e.confused, e.speech) for e in errors])
    right = interval([(float(e.speakers == e.reference_speakers), 1.0) for e in errors])
    print(
        f"{title:20} {len(errors):3} error {rate[0]:5.1f} ({rate[1]:.1f} to {rate[2]:.1f}) "
        f"count right {right[0]:5.1f} ({right[1]:.0f} to {right[2]:.0f})"
    )


def main() -> None:
    """Measure ``find_turns``."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--half", choices=("choose", "check"), default="check")
    parser.add_argument("--conversations", type=int, default=50)
    parser.add_argument("--folder", type=Path, default=Path("simulated"), help="for the sound")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    people = read_people(arguments.data, arguments.half)
    groups: dict[str, list[DiarizationError]] = defaultdict(list)
    for number in range(arguments.conversations):
        conversation = simulate(people, number, seed=0 if arguments.half == "choose" else 1)
        path = arguments.folder / f"{arguments.half}-{conversation.name}.flac"
        soundfile.write(path, conversation.samples, SAMPLE_RATE)
        duration = len(conversation.samples) / SAMPLE_RATE
        error = measure_diarization(
            conversation.name, conversation.turns, find_turns(path), duration=duration
        )
        print(f"{error.recording:24} {error.rate:6.1f} {error.speakers} {error.reference_speakers}")
        corpus, channel, count = conversation.name.split("-")[1:]
        for group in ("all", corpus, channel, f"{count} people"):
            groups[group].append(error)
    for title in sorted(groups):
        report(title, groups[title])
    differences = Counter((e.speakers or 0) - (e.reference_speakers or 0) for e in groups["all"])
    print("found minus true:", dict(sorted(differences.items())))


if __name__ == "__main__":
    main()
