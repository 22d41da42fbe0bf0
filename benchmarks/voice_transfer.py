"""Which voice vectors transfer to other voices, words, microphones and a foreign language?

A linear probe (logistic regression) is trained on seven emotions of RAVDESS (24 actors, two
statements). It is tested on unseen actors (original, over a telephone, in noise, with echo, 15 dB
quieter), on the unseen statement, and on URDU's talk shows (38 speakers, four labels). Prints
unweighted recall in percent with a 95 % bootstrap interval over speakers. Vectors are levelled by
recording (each test set counts as one) and by speaker, as in mmerc.

In URDU nearly every speaker has only one emotion, so levelling by speaker removes it.

    python benchmarks/voice_transfer.py RAVDESS URDU --cache FOLDER --rows whisper is10
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from torch.nn import functional

from mmerc.features.opensmile import SETS, OpenSmile
from mmerc.media.decode import read_sound
from mmerc.media.sound_shifts import add_echo, limit_to_telephone, make_quieter
from mmerc.nn.speech_encoder import SpeechEncoder, SpeechEncoderConfig

Vectors = NDArray[np.float32]
RAVDESS = dict(
    zip(
        ("01", "02", "03", "04", "05", "06", "07", "08"),
        ("neutral", "neutral", "joy", "sadness", "anger", "fear", "disgust", "surprise"),
        strict=True,
    )
)
URDU = {"Angry": "anger", "Happy": "joy", "Neutral": "neutral", "Sad": "sadness"}
WEIGHTINGS = ("all", "-30dB", "-20dB", "amplitude", "root")
FOLDS, CLIP = 4, 5.0
PRIOR, SPEAKER_PRIOR = 20, 10
ROWS = {
    "whisper": "whisper-tiny:1,2,3,4:-30dB:mean",
    "whisper, all positions, with deviations": "whisper-tiny:1,2,3,4:all:mean,deviation",
    "whisper, all positions": "whisper-tiny:1,2,3,4:all:mean",
    "whisper, with deviations": "whisper-tiny:1,2,3,4:-30dB:mean,deviation",
    "whisper, 20 dB": "whisper-tiny:1,2,3,4:-20dB:mean",
    "whisper, weighted by amplitude": "whisper-tiny:1,2,3,4:amplitude:mean",
    **{f"whisper, layer {n}": f"whisper-tiny:{n}:-30dB:mean" for n in range(1, 5)},
    "whisper, layers 2 and 4": "whisper-tiny:2,4:-30dB:mean",
    "whisper, layers 2 to 4": "whisper-tiny:2,3,4:-30dB:mean",
    "whisper-base": "whisper-base:1,2,3,4,5,6:-30dB:mean",
    "is10": "is10",
    "egemaps": "egemaps",
    "whisper+is10": "whisper-tiny:1,2,3,4:-30dB:mean+is10",
    "whisper+egemaps": "whisper-tiny:1,2,3,4:-30dB:mean+egemaps",
}


def noise(decibels: float) -> Callable[[Vectors], Vectors]:
    def add(samples: Vectors) -> Vectors:
        power = np.sqrt(np.mean(samples**2)) * 10 ** (-decibels / 20)
        drawn = np.random.default_rng(len(samples)).normal(0, power, len(samples))
        return (samples + drawn).astype(np.float32)

    return add


SHIFTS: dict[str, Callable[[Vectors], Vectors]] = {
    "clean": lambda samples: samples,
    "telephone": limit_to_telephone,
    "noise20": noise(20),
    "noise10": noise(10),
    "noise5": noise(5),
    "echo": add_echo,
    "quiet": make_quieter,
}


def whisper_statistics(encoder: SpeechEncoder, samples: Vectors) -> Vectors:
    """Shape: [samples] -> [layers, weightings, mean and deviation, width]."""
    with torch.inference_mode():
        states, _ = encoder(torch.from_numpy(samples)[None], torch.tensor([len(samples)]))
    padded = functional.pad(torch.from_numpy(samples), (0, -len(samples) % 320)).view(-1, 320)
    power = padded.square().mean(1).clamp(min=1e-12)
    levels = 10 * power.log10()
    levels -= levels.max().clone()
    weights = [torch.ones_like(power), (levels > -30).float(), (levels > -20).float()]
    weights += [power.sqrt(), power**0.25]
    return np.stack([[_weighted(layer[0], w) for w in weights] for layer in states])


def _weighted(states: torch.Tensor, weights: torch.Tensor) -> Vectors:
    share = (weights / weights.sum())[:, None]
    mean = (share * states).sum(0)
    return np.stack([mean.numpy(), (share * (states - mean) ** 2).sum(0).sqrt().numpy()])


class Clips:
    """Vectors of all clips of a corpus, extracted once and stored as NumPy files."""

    def __init__(self, folder: Path, cache: Path) -> None:
        self.name, self.cache = folder.name, cache
        self.files = sorted(folder.rglob("*.flac"))

    def vectors(self, row: str, shift: str) -> Vectors:
        """Shape: -> [clips, D]."""
        return np.concatenate([self._part(part, shift) for part in row.split("+")], axis=1)

    def _part(self, part: str, shift: str) -> Vectors:
        kind, *choice = part.split(":")
        stored = self._stored(kind, shift)
        if not choice:
            return stored
        layers = [int(number) - 1 for number in choice[0].split(",")]
        chosen = stored[:, layers, WEIGHTINGS.index(choice[1])]
        statistics = [("mean", "deviation").index(name) for name in choice[2].split(",")]
        return chosen[:, :, statistics].reshape(len(stored), -1)

    def _stored(self, kind: str, shift: str) -> Vectors:
        path = self.cache / f"{kind}-{self.name}-{shift}.npz"
        if not path.exists():
            extract = _extractor(kind)
            sounds = (SHIFTS[shift](read_sound(file)) for file in self.files)
            path.parent.mkdir(parents=True, exist_ok=True)
            np.savez(path, x=np.stack([extract(sound) for sound in sounds]).astype(np.float32))
        return np.load(path)["x"].astype(np.float32)


def _extractor(kind: str) -> Callable[[Vectors], Vectors]:
    if kind in SETS:
        return OpenSmile(kind).extract_samples
    encoder = SpeechEncoder.from_source(SpeechEncoderConfig(name=kind, tuning="frozen")).eval()
    return lambda samples: whisper_statistics(encoder, samples)


def level(
    vectors: Vectors, training: tuple[Vectors, Vectors], speakers: NDArray[np.str_] | None
) -> Vectors:
    """Level a recording, and by speaker if known, as in mmerc."""
    scores = (vectors - training[0]) / training[1]
    whole = _shrunk(scores, 0 * training[0], 0 * training[0] + 1, prior=PRIOR)
    if speakers is None:
        return np.clip((scores - whole[0]) / whole[1], -CLIP, CLIP)
    levelled = np.empty_like(scores)
    for name in np.unique(speakers):
        own = speakers == name
        mean, deviation = _shrunk(scores[own], *whole, prior=SPEAKER_PRIOR)
        levelled[own] = (scores[own] - mean) / deviation
    return np.clip(levelled, -CLIP, CLIP)


def _shrunk(
    scores: Vectors, mean: Vectors, deviation: Vectors, *, prior: float
) -> tuple[Vectors, Vectors]:
    share = len(scores) / (len(scores) + prior)
    own = share * scores.mean(0) + (1 - share) * mean
    spread = share * ((scores - own) ** 2).mean(0)
    spread += (1 - share) * (deviation**2 + (mean - own) ** 2)
    return own, np.sqrt(spread)


class Probe:
    """A classifier of levelled training vectors, with the statistics for levelling."""

    def __init__(self, vectors: Vectors, labels: NDArray, speakers: NDArray, strength: float):
        self.training = vectors.mean(0), vectors.std(0) + 1e-5
        self.model = LogisticRegression(C=strength, max_iter=300, class_weight="balanced")
        self.model.fit(level(vectors, self.training, speakers), labels)

    def predict(self, vectors: Vectors, speakers: NDArray | None, names: NDArray) -> NDArray:
        """Return the most probable of ``names``."""
        columns = [list(self.model.classes_).index(name) for name in names]
        chances = self.model.predict_proba(level(vectors, self.training, speakers))
        return names[chances[:, columns].argmax(1)]


def recall(gold: NDArray, predicted: NDArray, speakers: NDArray) -> str:
    """Format the unweighted recall with its interval over speakers."""

    def value(rows: NDArray) -> float:
        named, right = gold[rows], predicted[rows] == gold[rows]
        return 100 * float(np.mean([right[named == label].mean() for label in np.unique(named)]))

    members = [np.flatnonzero(speakers == name) for name in np.unique(speakers)]
    draws = np.random.default_rng(0).integers(len(members), size=(1000, len(members)))
    drawn = [value(np.concatenate([members[i] for i in draw])) for draw in draws]
    low, high = np.percentile(drawn, [2.5, 97.5])
    return f"{value(np.arange(len(gold))):.1f} ({low:.0f} to {high:.0f})"


def measure(row: str, ravdess: Clips, urdu: Clips, shifts: list[str], c: float) -> Iterator[str]:
    """Yield the cells of the table."""
    fields = [file.stem.split("-") for file in ravdess.files]
    labels = np.array([RAVDESS[field[2]] for field in fields])
    statements, actors = (np.array([field[i] for field in fields]) for i in (4, 6))
    clean, names = ravdess.vectors(row, "clean"), np.unique(labels)
    yield str(clean.shape[1])
    gold = np.array([URDU[file.parent.name] for file in urdu.files])
    speakers = np.array([file.stem.split("_")[0] for file in urdu.files])
    probe, foreign = Probe(clean, labels, actors, c), urdu.vectors(row, "clean")
    for by in (None, speakers):
        yield recall(gold, probe.predict(foreign, by, np.unique(gold)), speakers)
    predicted = np.empty_like(labels)
    for statement in np.unique(statements):
        test = statements == statement
        probe = Probe(clean[~test], labels[~test], actors[~test], c)
        predicted[test] = probe.predict(clean[test], actors[test], names)
    yield recall(labels, predicted, actors)
    folds = [np.isin(actors, np.unique(actors)[fold::FOLDS]) for fold in range(FOLDS)]
    probes = [Probe(clean[~test], labels[~test], actors[~test], c) for test in folds]
    for shift in shifts:
        shifted = ravdess.vectors(row, shift)
        for test, probe in zip(folds, probes, strict=True):
            predicted[test] = probe.predict(shifted[test], actors[test], names)
        yield recall(labels, predicted, actors)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("ravdess", type=Path)
    parser.add_argument("urdu", type=Path)
    parser.add_argument("--cache", type=Path, default=Path("voice-vectors"))
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=["whisper", "is10", "egemaps"])
    parser.add_argument("--shifts", nargs="+", choices=SHIFTS, default=["clean", "telephone"])
    parser.add_argument("--strength", type=float, default=0.001, help="C of the regression")
    options = parser.parse_args()
    torch.set_num_threads(1)
    clips = [Clips(folder, options.cache) for folder in (options.ravdess, options.urdu)]
    columns = ["vectors", "width", "URDU", "URDU by speaker", "statement"]
    print(" | ".join([*columns, *(f"actors, {shift}" for shift in options.shifts)]))
    for name in options.rows:
        cells = measure(ROWS[name], *clips, options.shifts, options.strength)
        print(" | ".join([name, *cells]), flush=True)


if __name__ == "__main__":
    main()
