"""Does levelling help with recordings whose sound differs from the training data?

The sound of a split of the composed corpus is shifted (quieter, over a telephone, in noise, with
echo), and each ten conversations form a recording. Emotions are predicted from sound alone and from
all modalities, with original and levelled vectors, for several values of ``recording_prior``
(``mmerc.nn.levelling``).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mmerc.conversation import Conversation
from mmerc.data.corpus import PreparedCorpus
from mmerc.data.modality_subsets import restrict_modalities
from mmerc.data.shifted_sound import extract_shifted_sound
from mmerc.evaluation.metrics import score
from mmerc.features.store import FeatureTable
from mmerc.inference.levelling import level_table, measure_distance
from mmerc.media.sound_shifts import SOUND_SHIFTS, make_quieter
from mmerc.models.registry import load_model
from mmerc.nn.levelling import LevellingConfig
from mmerc.training.scoring import predict_corpus

Samples = NDArray[np.float32]
TOGETHER = 10  # conversations


CHANGES: dict[str, Callable[[Samples], Samples]] = {
    "as it is": lambda samples: samples,
    "15 dB quieter": make_quieter,
    **SOUND_SHIFTS,
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
        table = extract_shifted_sound(part, arguments.media, change)
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
            print(f"  {way:24} audio {both[0]:.2f}, all modalities {both[1]:.2f}", flush=True)


def recordings(
    table: FeatureTable, conversations: Sequence[Conversation]
) -> Iterator[FeatureTable]:
    for first in range(0, len(conversations), TOGETHER):
        ids = {item.id for item in conversations[first : first + TOGETHER]}
        yield replace(table, rows={key: row for key, row in table.rows.items() if key[0] in ids})


if __name__ == "__main__":
    main()
