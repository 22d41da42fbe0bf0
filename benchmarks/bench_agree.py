"""Time of `mmerc agree` for five raters, 10,000 utterances and 2,000 bootstrap resamples.

Measured with 1,000 conversations, and with one (where utterances are resampled), in processor
seconds, which do not include other work on the machine.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np

from mmerc.annotation.agreement_report import compare_raters
from mmerc.labels import MELD_7

RATERS, UTTERANCES, SPEAKERS = 5, 10_000, 6


def write_raters(folder: Path, conversations: int) -> list[Path]:
    """Write tables of raters who agree on about two of three utterances."""
    numbers = np.random.default_rng(0)
    truth = numbers.integers(7, size=UTTERANCES)
    paths = []
    for rater in range(RATERS):
        chosen = np.where(
            numbers.random(UTTERANCES) < 0.7, truth, numbers.integers(7, size=UTTERANCES)
        )
        rows = ["conversation,id,speaker,label"]
        rows += [
            f"c{i % conversations},{i},s{i % SPEAKERS},{MELD_7.names[label]}"
            for i, label in enumerate(chosen)
        ]
        paths.append(folder / f"r{rater}.csv")
        paths[-1].write_text("\n".join(rows))
    return paths


def main() -> None:
    for conversations in (1000, 1):
        with tempfile.TemporaryDirectory() as name:
            paths = write_raters(Path(name), conversations)
            began, clock = time.process_time(), time.perf_counter()
            people = compare_raters(paths, margin=0.15).people
            used, waited = time.process_time() - began, time.perf_counter() - clock
        assert people is not None
        print(
            f"{RATERS} raters, {people.utterances} utterances, {conversations} conversations: "
            f"{used:.1f} processor seconds ({waited:.1f} s of wall clock time)"
        )


if __name__ == "__main__":
    main()
