"""An epoch of DF-ERC on precomputed vectors of MELD's size: 9,989 utterances, 384 + 1582 + 342."""

from __future__ import annotations

import csv
import random
import resource
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from mmerc.conversation import Conversation, Utterance
from mmerc.data.corpus import PreparedCorpus
from mmerc.features.store import FeatureRow, FeatureSpec, FeatureTable
from mmerc.labels import MELD_7
from mmerc.training.hardware import Hardware
from mmerc.training.recipe_files import load_recipe
from mmerc.training.trainer import train_seed

WIDTHS = {"text": 384, "audio": 1582, "video": 342}
UTTERANCES, CONVERSATIONS = 9989, 1038
EPOCHS = 3


def made_up_corpus(times: int = 1) -> PreparedCorpus:
    """Generate random data, ``times`` times MELD's size, in conversations of its mean length."""
    chance = random.Random(0)
    utterances, count = times * UTTERANCES, times * CONVERSATIONS
    borders = sorted(chance.sample(range(1, utterances), count - 1))
    sizes = [end - start for start, end in zip([0, *borders], [*borders, utterances], strict=True)]
    sizes += [9] * 10

    def conversation(number: int, size: int) -> Conversation:
        labels = chance.choices(MELD_7.names, k=size)
        return Conversation(
            id=str(number),
            utterances=tuple(
                Utterance(id=str(i), speaker=str(i % 3), text="", label=label)
                for i, label in enumerate(labels)
            ),
        )

    conversations = [conversation(number, size) for number, size in enumerate(sizes)]
    splits = {
        "train": tuple(conversations[:count]),
        "valid": tuple(conversations[count:]),
    }
    random_vectors = np.random.default_rng(0)
    keys = [(item.id, utterance.id) for item in conversations for utterance in item.utterances]
    features = {}
    for modality, width in WIDTHS.items():
        matrix = random_vectors.standard_normal((len(keys), width), dtype=np.float32)
        features[modality] = FeatureTable.of(
            FeatureSpec(modality=modality, extractor="made-up", dim=width),
            (
                FeatureRow(conversation=conversation, utterance=utterance, vector=vector)
                for (conversation, utterance), vector in zip(keys, matrix, strict=True)
            ),
        )
    return PreparedCorpus(name="made-up", labels=MELD_7, splits=splits, features=features)


def epoch_seconds(history: Path) -> list[float]:
    """Read the seconds of all epochs, without the first (warm-up)."""
    with open(history, newline="") as file:
        return [round(float(row["seconds"]), 1) for row in csv.DictReader(file)][1:]


def measure(precision: str) -> None:
    """Train three epochs; print the fastest but the first, and the memory of this process."""
    recipe = load_recipe(
        "df-erc-meld",
        [
            "model.text_encoder=null",
            f"training.epochs={EPOCHS}",
            f"training.precision={precision}",
        ],
    )
    corpus = made_up_corpus()
    started = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        train_seed(
            recipe, corpus, Path(folder), seed=0, hardware=Hardware(), report=lambda line: None
        )
        seconds = epoch_seconds(Path(folder) / "history.csv")
    processor = (time.process_time() - started) / EPOCHS
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"  {precision}: {min(seconds):.1f} s (all {seconds}), {processor:.1f} s of processor "
        f"time, peak {memory:.0f} MB",
        flush=True,
    )


def main() -> None:
    print(f"DF-ERC, {UTTERANCES} utterances of {WIDTHS}, batch 8, seconds per epoch")
    for precision in ("32-true", "bf16-mixed"):  # separate processes, to measure memory
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            pool.submit(measure, precision).result()
    print("  bars: 7 s in float32, 5 s in bfloat16, 1,000 MB each")


if __name__ == "__main__":
    main()
