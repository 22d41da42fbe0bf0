"""Kill the server of the correction page at random moments: are all accepted corrections stored?

python benchmarks/kill_corrections.py [KILLS]
"""

import multiprocessing
import random
import sys
import tempfile
import threading
import time
import uuid
from pathlib import Path

import requests

from mmerc.conversation import MODALITIES
from mmerc.inference.analysis import Analysis
from mmerc.inference.correction.correction_log import CorrectionLog
from mmerc.inference.results import write_results
from mmerc.labels import MELD_7
from mmerc.prediction.utterance_prediction import UtterancePrediction
from mmerc.serving.correction_server import serve_analysis

KILLS = int(sys.argv[1]) if len(sys.argv) > 1 else 20
FORKS = multiprocessing.get_context("fork")
LINES = 100
WORDS = ("we", "they", "never", "always", "went", "home", "said", "so")
LONGEST = 1.5  # seconds of corrections before a kill


def invent_analysis(count):
    """Create an analysis of ``count`` short lines by four people."""
    generator = random.Random(0)
    lines = [
        UtterancePrediction(
            conversation="talk",
            id=str(i),
            speaker=f"speaker {generator.randrange(4)}",
            text=" ".join(generator.choices(WORDS, k=9)),
            start=4.0 * i,
            end=4.0 * i + 3.5,
            label=generator.choice(MELD_7.names),
            probabilities=dict.fromkeys(MELD_7, round(1 / 7, 6)),
            weights=dict.fromkeys(MODALITIES),
            similarity=None,
            context_weight=None,
            effects=dict.fromkeys(MODALITIES),
            context_effect=None,
        )
        for i in range(count)
    ]
    return Analysis(
        recording="talk.mp4", duration=4.0 * count, model="mmerc-mini", labels=MELD_7,
        predictions=tuple(lines), absent={},
    )  # fmt: skip


def start(folder):
    """Start a server in a separate process; return it and the URL of its corrections."""
    receiver, sender = FORKS.Pipe(duplex=False)
    process = FORKS.Process(
        target=serve_analysis, args=(folder,), kwargs={"port": 0, "announce": sender.send}
    )
    process.start()  # a fork, which has everything imported already
    address = f"http://127.0.0.1:{receiver.recv()}/"
    return process, requests.get(address).url.removesuffix("/correct") + "/corrections"


def main():
    generator = random.Random(1)
    accepted, seconds, lost = set(), [], 0
    with tempfile.TemporaryDirectory() as folder:
        analysis = invent_analysis(LINES)
        write_results(analysis, folder, stem="talk")
        for _ in range(KILLS):
            process, url = start(folder)
            revision = requests.get(url).json()["revision"]
            delay = generator.uniform(0.0, LONGEST)
            threading.Timer(delay, process.kill).start()
            while True:
                key, line = str(uuid.uuid4()), str(generator.randrange(LINES))
                edit = {"kind": "label", "id": line, "label": generator.choice(MELD_7.names)}
                body = {"rater": "Ann", "revision": revision, "key": key, "edit": edit}
                begin = time.perf_counter()
                try:
                    answer = requests.post(url, json=body)
                except requests.ConnectionError:
                    break
                seconds.append(time.perf_counter() - begin)
                revision = answer.json()["revision"]
                accepted.add((revision, key))
            process.join()
            log = CorrectionLog(Path(folder) / "talk.corrections.sqlite", analysis)
            stored = {(number, key) for key, number in log._keys.items()}
            lost += len(accepted - stored)
    seconds.sort()
    print(f"{KILLS} kills, {len(accepted)} accepted corrections, {lost} lost")
    middle, most = seconds[len(seconds) // 2], seconds[int(0.95 * len(seconds))]
    print(f"accepted (on disk) after {1000 * middle:.0f} ms (median), {1000 * most:.0f} ms (95 %)")


if __name__ == "__main__":
    main()
