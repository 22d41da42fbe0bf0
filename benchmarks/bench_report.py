"""Time of the reports of DF-ERC's Tables 2 and 3, from 75 stored runs of realistic size.

15 variants with five seeds, 2,610 test utterances in 280 conversations, seven labels; predictions
are random, since only their number matters.
"""

from __future__ import annotations

import resource
import tempfile
import time
from pathlib import Path

import numpy as np

from mmerc.conversation import MODALITIES, Conversation, Utterance
from mmerc.data.corpus import PreparedCorpus
from mmerc.evaluation.metrics import score
from mmerc.evaluation.predictions import Predictions
from mmerc.experiments.reproduction.measure import measure
from mmerc.experiments.reproduction.plan import PlanOptions, make_plan
from mmerc.experiments.reproduction.report import report_target
from mmerc.experiments.reproduction.workspace import Workspace
from mmerc.features.store import FeatureRow, FeatureSpec, FeatureTable
from mmerc.files import write_json, write_text
from mmerc.labels import MELD_7
from mmerc.training.corpus_source import CorpusSource
from mmerc.training.folder import begin
from mmerc.training.hardware import Hardware
from mmerc.training.result import scores_json

TARGETS = ("df-erc-table2", "df-erc-table3")
SEEDS, UTTERANCES, CONVERSATIONS, EPOCHS = 5, 2610, 280, 8


def random_corpus(numbers: np.random.Generator) -> PreparedCorpus:
    """Create as many test conversations as MELD's; one conversation for the other splits."""
    test = [[] for _ in range(CONVERSATIONS)]
    for place in range(UTTERANCES):
        label = MELD_7.names[numbers.integers(len(MELD_7))]
        item = Utterance(id=str(place), speaker="a", text="x", label=label)
        test[place % CONVERSATIONS].append(item)
    splits = {
        "train": (Conversation(id="t", utterances=tuple(test[0])),),
        "valid": (Conversation(id="v", utterances=tuple(test[1])),),
        "test": tuple(Conversation(id=f"c{i}", utterances=tuple(u)) for i, u in enumerate(test)),
    }
    row = FeatureRow(conversation="t", utterance="0", vector=np.zeros(1, np.float32))
    features = {
        m: FeatureTable.of(FeatureSpec(modality=m, extractor="none", dim=1), [row])
        for m in MODALITIES
    }
    return PreparedCorpus(name="composed", labels=MELD_7, splits=splits, features=features)


def random_predictions(corpus: PreparedCorpus, numbers: np.random.Generator) -> Predictions:
    """Create predictions with 60 % accuracy."""
    pairs = [(c.id, u) for c in corpus.splits["test"] for u in c.utterances]
    gold = np.array([MELD_7.index(u.label) for _, u in pairs])
    scores = numbers.normal(size=(len(pairs), len(MELD_7)))
    scores[np.arange(len(pairs)), gold] += 1.8
    probabilities = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    return Predictions(
        labels=MELD_7,
        conversations=tuple(c for c, _ in pairs),
        utterances=tuple(u.id for _, u in pairs),
        gold=gold,
        probabilities=probabilities.astype(np.float32),
        weights={m: numbers.random(len(pairs)).astype(np.float32) for m in MODALITIES},
        similarity=numbers.normal(size=len(pairs)).astype(np.float32),
        context_weight=numbers.random(len(pairs)).astype(np.float32),
    )


def store_runs(workspace: Workspace) -> int:
    """Write the runs like training, but without models."""
    numbers = np.random.default_rng(1)
    plans = [make_plan(name, workspace.corpus, PlanOptions()) for name in TARGETS]
    runs = {item.run.directory: item.run for item in workspace.planned_runs(plans)}
    header = "epoch,seconds,train_loss,valid_weighted_f1\n"
    history = header + "".join(f"{e},9.5,{1 / (e + 1):.3f},{60 + e}\n" for e in range(EPOCHS))
    for run in runs.values():
        begin(run, resume=False)
        for seed in range(SEEDS):
            folder = run.seed_directory(seed)
            created = random_predictions(workspace.corpus, numbers)
            created.save(folder / "predictions-test.parquet")
            write_text(folder / "history.csv", history)
            write_json(
                folder / "seed.json", {"seed": seed, "test": scores_json(score(created), MELD_7)}
            )
    return SEEDS * len(runs)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        corpus = random_corpus(np.random.default_rng(0))
        source = CorpusSource(corpus=corpus)
        workspace = Workspace(root=Path(folder) / "out", source=source, corpus=corpus)
        with workspace.begin():
            stored = store_runs(workspace)
        started, used = time.perf_counter(), time.process_time()
        for name in TARGETS:
            plan = make_plan(name, corpus, PlanOptions(seeds=SEEDS))
            results = measure(plan, workspace.runs(plan), hardware=Hardware(accelerator="cpu"))
            report_target(plan, results, corpus, workspace.root / plan.folder, version=None)
        seconds, processor = time.perf_counter() - started, time.process_time() - used
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    print(
        f"{stored} stored runs, {len(TARGETS)} reports: {seconds:.1f} s ({processor:.1f} s of one"
    )
    print(f"processor), at most {memory:.0f} MiB; the bound is 20 s")


if __name__ == "__main__":
    main()
