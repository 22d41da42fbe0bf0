"""Processor time and memory of one prediction of mmerc-mini, by the length of the conversation.

    python benchmarks/bench_long_conversation.py

Utterances have twelve words, and random vectors of sound and face. Each length is predicted in a
separate process, with ``mmerc.predict``, on one thread.
"""

from __future__ import annotations

import argparse
import resource
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
import torch

import mmerc
from mmerc import Conversation, Utterance
from mmerc.features.store import FeatureRow, FeatureSpec, FeatureTable

_WORDS = "one two three four five six seven eight nine ten eleven twelve"


def peak() -> float:
    """Return the most memory that this process has used, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(utterances: int) -> str:
    """Predict a conversation; return a line of the report."""
    torch.set_num_threads(1)
    model = mmerc.load_model("mmerc-mini")
    names = [str(number) for number in range(utterances)]
    talk = Conversation(
        id="talk",
        utterances=tuple(Utterance(id=name, speaker="A", text=_WORDS) for name in names),
    )
    chance = np.random.default_rng(0)
    tables = {}
    for modality, width in model.inputs.widths.items():
        matrix = chance.standard_normal((utterances, width), dtype=np.float32)
        spec = FeatureSpec(modality=modality, extractor="random", dim=width)
        pairs = zip(names, matrix, strict=True)
        tables[modality] = FeatureTable.of(
            spec, (FeatureRow(conversation="talk", utterance=n, vector=v) for n, v in pairs)
        )
    before, started = peak(), time.process_time()
    mmerc.predict(model, talk, tables)
    seconds = time.process_time() - started
    return f"  {utterances} utterances: {seconds:.1f} s, {peak():.0f} MB ({before:.0f} MB before)"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("utterances", type=int, nargs="*", default=[900, 1800, 3600])
    print("mmerc-mini, one prediction of a conversation, processor time and peak memory")
    for count in parser.parse_args().utterances:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            print(pool.submit(measure, count).result(), flush=True)


if __name__ == "__main__":
    main()
