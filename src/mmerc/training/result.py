"""The result of a run: scores of each seed, their summary and origin."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast

from mmerc.conversation import Split
from mmerc.data.corpus import PreparedCorpus
from mmerc.errors import InputError
from mmerc.evaluation.metrics import Metric, Scores, confusion
from mmerc.evaluation.predictions import Predictions
from mmerc.evaluation.significance import bootstrap_interval, summarise
from mmerc.files import read_json
from mmerc.labels import LabelSet

_PACKAGES = ("mmerc", "torch", "transformers", "lightning", "peft", "numpy", "scikit-learn")
_SUMMARISED: tuple[Metric, ...] = ("accuracy", "weighted_f1", "macro_f1")


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that results depend on."""
    return {"python": platform.python_version()} | {name: _version(name) for name in _PACKAGES}


_version = cache(version)  # reads a long file


def scores_json(scores: Scores, labels: LabelSet) -> dict[str, Any]:
    """Return scores as in ``result.json``: all labels, null for those missing in gold."""
    value = cast(dict[str, Any], scores.to_json())
    return value | {"per_class_f1": {name: value["per_class_f1"].get(name) for name in labels}}


def build_result(
    *,
    recipe: str,
    model: str,
    corpus: PreparedCorpus,
    seeds: Sequence[dict[str, Any]],
    predictions: Sequence[Predictions],
    split: Split = "test",
) -> dict[str, Any]:
    """Build the content of ``result.json``: every seed's scores, their summary and origin.

    Each of ``seeds`` has its scores under the split's name.
    """
    return {
        "recipe": recipe,
        "model": model,
        "corpus": corpus.name,
        "seeds": list(seeds),
        "summary": {split: summary([seed[split] for seed in seeds], predictions)},
        "versions": versions(),
        "fingerprints": corpus.fingerprints,
    }


def summary(
    seed_scores: Sequence[dict[str, Any]], predictions: Sequence[Predictions]
) -> dict[str, Any]:
    """Return mean and deviation over seeds, and the 95 % bootstrap interval over conversations."""
    described: dict[str, Any] = {}
    for metric in _SUMMARISED:
        mean, deviation = summarise([scores[metric] for scores in seed_scores])
        described[metric] = {
            "mean": round(mean, 4),
            "std": round(deviation, 4),
            "interval": interval(predictions, metric),
        }
    return described


def confusion_csv(predictions: Predictions) -> str:
    """Return the confusion matrix as CSV: gold labels in rows, predicted in columns."""
    labels: LabelSet = predictions.labels
    rows = [",".join(["gold", *labels])]
    for name, counts in zip(labels, confusion(predictions), strict=True):
        rows.append(",".join([name, *(str(int(count)) for count in counts)]))
    return "\n".join(rows) + "\n"


def interval(predictions: Sequence[Predictions], metric: Metric) -> list[float] | None:
    """Return the 95 % bootstrap interval over conversations; None for a single conversation."""
    if len(set(predictions[0].with_gold().conversations)) < 2:
        return None
    return [round(bound, 4) for bound in bootstrap_interval(predictions, metric=metric)]


def read_result(run: Path) -> dict[str, Any]:
    """Read ``result.json`` of a finished run; InputError if missing or damaged."""
    path = run / "result.json"
    if not path.is_file():
        fix = "finish it with `mmerc train ... --resume`, or name another folder"
        raise InputError(run, "not a finished run (no result.json)", fix)
    value = read_json(path)
    seeds = value.get("seeds") if isinstance(value, dict) else None
    whole = isinstance(seeds, list) and all(isinstance(s, dict) and "test" in s for s in seeds)
    if not isinstance(value, dict) or not seeds or not whole or "summary" not in value:
        raise InputError(path, "not the result of a run", "train the run again")
    return value


def read_predictions(run: Path) -> list[Predictions]:
    """Read the test predictions of every seed of a finished run, in order."""
    seeds = [int(seed["seed"]) for seed in read_result(run)["seeds"]]
    return [Predictions.load(run / f"seed-{seed}" / "predictions-test.parquet") for seed in seeds]
