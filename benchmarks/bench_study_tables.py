"""Memory and processor time of a study's tables, by number of recordings.

Results are random, with 50 utterances per recording. Run one process per number of recordings:
`python benchmarks/bench_study_tables.py 100`, then 1000.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import tempfile
import time
from pathlib import Path
from typing import Any

from mmerc.labels import MELD_7
from mmerc.studies.study_folder import RECORD, StudyFolder
from mmerc.studies.study_plan import plan_folder
from mmerc.studies.study_recordings import RecordingOutcome
from mmerc.studies.study_tables import write_tables

_RECORD = {
    "key": "", "words_from": "transcript", "mmerc": "", "model": "", "duration": None,
    "labels": MELD_7.names, "modalities": ["text"], "layers": [], "remarks": ["A remark."],
    "set_level": None, "absent": {},
}  # fmt: skip
_NOTHING = {"text": None, "audio": None, "video": None}


def write_results(folder: StudyFolder, name: str, utterances: int) -> None:
    """Write the results of a recording, as needed for the tables."""
    path = folder.recording(name)
    path.mkdir(parents=True)
    (path / RECORD).write_text(json.dumps(_RECORD | {"file": f"{name}.txt"}))
    lines = (json.dumps(predict(number)) + "\n" for number in range(utterances))
    (path / f"{name}.jsonl").write_text("".join(lines))


def predict(number: int) -> dict[str, Any]:
    """Create the prediction of an utterance, with random probabilities."""
    values = [random.random() for _ in MELD_7.names]
    probabilities = {k: v / sum(values) for k, v in zip(MELD_7.names, values, strict=True)}
    return {
        "conversation": "c", "id": str(number), "speaker": "AB"[number % 2],
        "text": "What is said here. " * 4, "start": None, "end": None,
        "label": max(probabilities, key=lambda label: probabilities[label]),
        "probabilities": probabilities, "weights": _NOTHING, "similarity": None,
        "context_weight": None, "effects": _NOTHING, "context_effect": None, "layer_weights": {},
        "left_out": {}, "overlap": False, "doubtful_words": [],
    }  # fmt: skip


def main() -> None:
    """Print one line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recordings", type=int, nargs="?", default=100)
    parser.add_argument("--utterances", type=int, default=50)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        source, folder = Path(name) / "in", StudyFolder(Path(name) / "out")
        source.mkdir()
        for number in range(options.recordings):
            (source / f"talk-{number:05}.txt").write_text("Ann: Yes.\n")
            write_results(folder, f"talk-{number:05}", options.utterances)
        plan = plan_folder(source)
        outcomes = [
            RecordingOutcome(name=item.name, file=str(item.file), state="analysed")
            for item in plan.recordings
        ]
        before, start = memory(), time.process_time()
        write_tables(folder, plan, outcomes)
        seconds = time.process_time() - start
    print(
        f"{options.recordings} recordings: {seconds:.2f} s of the processor, "
        f"{memory() - before:.0f} MB more than before"
    )


def memory() -> float:
    """Return the maximum memory of this process in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
