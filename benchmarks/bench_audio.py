"""Speed of openSMILE's two sets on 3 s utterances, with one and two worker processes."""

from __future__ import annotations

import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor

import numpy as np

from mmerc.features.opensmile import SETS, OpenSmile

UTTERANCES, SECONDS, RATE, BAR = 200, 3, 16_000, 150

extractors: dict[str, OpenSmile] = {}


def tone(number: int) -> np.ndarray:
    """Generate a tone with noisy loudness."""
    moment = np.arange(SECONDS * RATE) / RATE
    noise = np.random.default_rng(number).normal(size=len(moment))
    swelling = np.convolve(noise, np.ones(400) / 20, mode="same")
    wave = np.sin(2 * np.pi * (100 + number) * moment)
    return (0.2 * wave * swelling + 0.01 * noise).clip(-1, 1).astype(np.float32)


def work(name: str, samples: np.ndarray) -> float:
    """Return the processor seconds of one utterance in this process."""
    if name not in extractors:
        extractors[name] = OpenSmile(name)
    started = time.process_time()
    extractors[name].extract_samples(samples)
    return time.process_time() - started


def main() -> None:
    tones = [tone(number) for number in range(UTTERANCES)]
    context = multiprocessing.get_context("spawn")
    for workers in (1, 2):
        with ProcessPoolExecutor(workers, context) as pool:
            for name in SETS:
                list(pool.map(work, [name] * 8, tones))  # every worker loads openSMILE
                started = time.perf_counter()
                used = sum(pool.map(work, [name] * UTTERANCES, tones))
                wall = time.perf_counter() - started
                sound = UTTERANCES * SECONDS
                bar = f" (bar {BAR})" if (name, workers) == ("compare", 2) else ""
                print(
                    f"{name}, {workers} worker processes: {sound / wall:.0f} s of sound per second"
                    f"{bar}, {sound / used:.0f} per processor second"
                )


if __name__ == "__main__":
    main()
