"""A finished run on the test split of another corpus."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mmerc.data.corpus import PreparedCorpus
from mmerc.evaluation.metrics import score
from mmerc.files import fingerprint, write_json, write_text
from mmerc.models.registry import load_model
from mmerc.training.result import build_result, confusion_csv, scores_json
from mmerc.training.scoring import predict_corpus


def evaluate_run(run: Path, result: dict[str, Any], corpus: PreparedCorpus) -> dict[str, Any]:
    """Scores of every seed, kept with predictions and confusion in RUN/evaluations/."""
    folder = run / "evaluations" / f"{corpus.name}-{fingerprint(corpus.fingerprints)[:12]}"
    seeds, predictions = [], []
    for seed in (trained["seed"] for trained in result["seeds"]):
        model = load_model(run / f"seed-{seed}" / "model")
        made = predict_corpus(model, corpus, "test")
        made.save(folder / f"predictions-seed-{seed}.parquet")
        write_text(folder / f"confusion-seed-{seed}.csv", confusion_csv(made))
        predictions.append(made)
        seeds.append({"seed": seed, "test": scores_json(score(made), model.labels)})
    evaluated = build_result(
        recipe=result["recipe"],
        model=result["model"],
        corpus=corpus,
        seeds=seeds,
        predictions=predictions,
    )
    write_json(folder / "result.json", evaluated)
    return evaluated
