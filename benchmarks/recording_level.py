"""Does bringing each recording's sound to the training data's level help where the sound is other?

The sound of a split of the composed corpus is changed as another microphone would (quieter, over
the telephone, in noise, in an echo), every ten conversations are taken for one recording, and the
emotions are predicted from sound alone and from everything, with the vectors as they are and with
levelled ones, by weight of the training data (``recording_prior`` in ``mmerc.nn.levelling``).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, sosfilt

from mmerc.conversation import Conversation
from mmerc.data.corpus import PreparedCorpus
from mmerc.data.corpus_media import corpus_tasks
from mmerc.data.modality_subsets import restrict_modalities
from mmerc.evaluation.metrics import score
from mmerc.features.base import Absent
from mmerc.features.registry import NamedExtractor
from mmerc.features.store import FeatureRow, FeatureTable
from mmerc.inference.levelling import level_table, measure_distance
from mmerc.media.decode import SAMPLE_RATE, read_sound
from mmerc.media.segment import Clip
from mmerc.models.registry import load_model
from mmerc.nn.levelling import LevellingConfig
from mmerc.training.scoring import predict_corpus

Samples = NDArray[np.float32]
TOGETHER = 10  # conversations


def quiet(samples: Samples) -> Samples:
    return samples * np.float32(10 ** (-15 / 20))


def telephone(samples: Samples) -> Samples:
    band = butter(4, [300, 3400], btype="bandpass", fs=SAMPLE_RATE, output="sos")
    return sosfilt(band, samples).astype(np.float32)


def noise(samples: Samples) -> Samples:
    power = np.sqrt(np.mean(samples**2)) * 10 ** (-15 / 20)
    drawn = np.random.default_rng(len(samples)).normal(0, power, len(samples))
    return (samples + drawn).astype(np.float32)


def echo(samples: Samples) -> Samples:
    times = np.arange(int(0.3 * SAMPLE_RATE)) / SAMPLE_RATE
    tail = np.random.default_rng(0).normal(0, 1, len(times)) * np.exp(-times / 0.06)
    tail *= 0.3 / np.sqrt((tail**2).sum())
    tail[0] = 1
    return np.convolve(samples, tail)[: len(samples)].astype(np.float32)


CHANGES: dict[str, Callable[[Samples], Samples]] = {
    "as it is": lambda samples: samples,
    "15 dB quieter": quiet,
    "telephone band": telephone,
    "noise at 15 dB": noise,
    "echo": echo,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("media", type=Path)
    parser.add_argument("--model", default="mmerc-mini")
    parser.add_argument("--split", choices=["valid", "test"], default="valid")
    parser.add_argument("--priors", type=float, nargs="+", default=[0.001, 20, 100])
    arguments = parser.parse_args()
    corpus = PreparedCorpus.load(arguments.corpus)
    conversations = corpus.splits[arguments.split]
    part = replace(corpus, splits={arguments.split: conversations})
    model = load_model(arguments.model)
    for name, change in CHANGES.items():
        table = changed(part, arguments.media, change)
        tables = {"as extracted": table}
        for prior in arguments.priors:
            levelling = LevellingConfig(by="recording", recording_prior=prior)
            levelled = [
                level_table(model, "audio", recording, {}, levelling).rows
                for recording in recordings(table, conversations)
            ]
            rows = {key: row for part_rows in levelled for key, row in part_rows.items()}
            tables[f"levelled, prior {prior:g}"] = replace(table, rows=rows)
        far = [
            measure_distance(model, "audio", recording)
            for recording in recordings(table, conversations)
        ]
        print(f"{name}: {min(far):.2f} to {max(far):.2f} deviations away")
        for way, created in tables.items():
            heard = replace(part, features={**part.features, "audio": created})
            both = [
                score(predict_corpus(model, shown, arguments.split)).weighted_f1
                for shown in (restrict_modalities(heard, ["audio"]), heard)
            ]
            print(f"  {way:24} sound {both[0]:.2f}, everything {both[1]:.2f}", flush=True)


def changed(
    part: PreparedCorpus, media: Path, change: Callable[[Samples], Samples]
) -> FeatureTable:
    """Vectors of the changed sound, as the corpus has them of the unchanged; each clip once."""
    spec = part.features["audio"].spec
    extractor = NamedExtractor(spec.extractor)()
    known: dict[Clip, NDArray[np.float32] | Absent] = {}
    rows = []
    for task in corpus_tasks(part, media):
        clip = task.segment.sound
        if clip not in known:
            samples = read_sound(clip.path, start=clip.start, end=clip.end)
            known[clip] = extractor.extract_samples(change(samples))
        outcome = known[clip]
        vector = None if isinstance(outcome, Absent) else outcome
        rows.append(
            FeatureRow(conversation=task.conversation, utterance=task.utterance, vector=vector)
        )
    return FeatureTable.of(spec, rows)


def recordings(
    table: FeatureTable, conversations: Sequence[Conversation]
) -> Iterator[FeatureTable]:
    for first in range(0, len(conversations), TOGETHER):
        ids = {item.id for item in conversations[first : first + TOGETHER]}
        yield replace(table, rows={key: row for key, row in table.rows.items() if key[0] in ids})


if __name__ == "__main__":
    main()
