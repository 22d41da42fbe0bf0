"""Time of a study's measures (10,000 utterances) and of a report (1,000 recordings).

The studies are random, since only their size matters.
"""

from __future__ import annotations

import resource
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from mmerc.labels import MELD_7
from mmerc.studies.measures import measure_study
from mmerc.studies.report.render import write_report

SHUFFLES = 2000
MAX_SECONDS, MAX_MEGABYTES = 20, 5


def write_random_study(folder: Path, *, recordings: int, utterances: int) -> Path:
    """Write tables of recordings with two people each, who occur twice, in two conditions."""
    numbers = np.random.default_rng(0)
    total = recordings * utterances
    recording = np.repeat(np.arange(recordings), utterances)
    speaker = numbers.integers(2, size=total)
    emotion = numbers.choice(len(MELD_7), size=total, p=[0.4, 0.1, 0.05, 0.1, 0.2, 0.05, 0.1])
    probabilities = numbers.dirichlet(np.ones(len(MELD_7)), size=total)
    start = 4.0 * np.tile(np.arange(utterances), recordings)
    people = zip(recording // 2, speaker, strict=True)
    columns = {
        "recording": [f"recording {number:04d}" for number in recording],
        "participant": [f"P{pair:03d}{'ab'[person]}" for pair, person in people],
        "condition": np.array(["first", "second"])[recording % 2].tolist(),
        "speaker": np.array(["A", "B"])[speaker].tolist(),
        "start": start,
        "end": start + 3,
        "text": ["what somebody says"] * total,
        "emotion": np.array(MELD_7.names)[emotion].tolist(),
        **{f"probability_{name}": probabilities[:, n] for n, name in enumerate(MELD_7)},
        **{f"present.{m}": numbers.random(total) < 0.9 for m in ("text", "audio", "video")},
        **{f"left_out.{m}": numbers.random(total) < 0.02 for m in ("text", "audio", "video")},
    }
    pq.write_table(pa.table(columns), folder / "utterances.parquet")
    rows = {
        "recording": sorted(set(columns["recording"])),
        "duration": [4.0 * utterances] * recordings,
        "model": ["mmerc-mini"] * recordings,
        "remarks": [""] * recordings,
    }
    pq.write_table(pa.table(rows), folder / "recordings.parquet")
    return folder


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        study = write_random_study(Path(folder), recordings=200, utterances=50)
        started, used = time.perf_counter(), time.process_time()
        tests = sum(row.p_value is not None for row in measure_study(study, shuffles=SHUFFLES))
        seconds, processor = time.perf_counter() - started, time.process_time() - used
    print(
        f"measures of 10,000 utterances, {SHUFFLES} shuffles, {tests} tests: {seconds:.1f} s "
        f"({processor:.1f} s of one processor)"
    )
    with tempfile.TemporaryDirectory() as folder:
        study = write_random_study(Path(folder), recordings=1000, utterances=50)
        for what in ("with its measures", "with existing measures"):
            started, used = time.perf_counter(), time.process_time()
            size = write_report(study).stat().st_size / 1e6
            seconds, processor = time.perf_counter() - started, time.process_time() - used
            print(
                f"report of 1,000 recordings, 50,000 utterances, {what}: {seconds:.1f} s "
                f"({processor:.1f} s of one processor), {size:.2f} MB; the bounds are "
                f"{MAX_SECONDS} s and {MAX_MEGABYTES} MB"
            )
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    print(f"at most {memory:.0f} MiB")


if __name__ == "__main__":
    main()
