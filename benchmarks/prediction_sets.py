"""Do prediction sets reach their nominal coverage?

`refit MODEL CORPUS` refits temperatures and prediction sets of a packaged model on the validation
split, and renews its card. `measure MODEL CORPUS` prints, for the test split, coverage (overall and
per label), mean size, and share of unsure sets; with `--media` (the corpus's raw media), also for
sound over a telephone and in noise.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from mmerc.data.corpus import PreparedCorpus
from mmerc.data.modality_subsets import restrict_modalities
from mmerc.data.shifted_sound import extract_shifted_sound
from mmerc.evaluation.conformal import label_sets
from mmerc.evaluation.predictions import Predictions
from mmerc.evaluation.set_coverage import measure_coverage
from mmerc.media.sound_shifts import SOUND_SHIFTS
from mmerc.models.base import AnyModel
from mmerc.models.registry import load_model
from mmerc.prediction.prediction_sets import check_set_request, find_thresholds
from mmerc.prediction.set_request import SetRequest
from mmerc.training.model_calibration import remember_windows, select_complete
from mmerc.training.packaging import refit_packaged
from mmerc.training.scoring import predict_corpus

SHIFTS = ("telephone band", "noise at 15 dB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("task", choices=["refit", "measure"])
    parser.add_argument("model")
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--media", type=Path, help="raw corpus, for shifted sound")
    parser.add_argument("--out", type=Path, help="folder for the predictions (Parquet)")
    parser.add_argument("--levels", type=float, nargs="+", default=[0.8, 0.9])
    arguments = parser.parse_args()
    corpus = PreparedCorpus.load(arguments.corpus)
    if arguments.task == "refit":
        refit_packaged(arguments.model, corpus, media=arguments.media)
        return
    part = replace(corpus, splits={"test": corpus.splits["test"]})
    model = load_model(arguments.model)
    names = " | ".join(model.labels)
    print(f"| sound | modalities | sets | label in set | labels per set | unsure | {names} |")
    print("|---" * (6 + len(model.labels)) + "|")
    encoder = remember_windows()
    for name, shifted in corpora(part, arguments.media):
        for subset in subsets(model, name):
            shown = restrict_modalities(shifted, subset)
            predictions = predict_corpus(model, shown, "test", window_encoder=encoder).with_gold()
            predictions = select_complete(model, shown, predictions, subset)
            if arguments.out is not None:
                arguments.out.mkdir(parents=True, exist_ok=True)
                predictions.save(arguments.out / f"{name} {'+'.join(subset)}.parquet")
            for level in arguments.levels:
                for conditional in (False, True):
                    request = SetRequest(level=level, class_conditional=conditional)
                    cells = measure(model, predictions, subset, request)
                    print(f"| {name} | {' + '.join(subset)} | {cells} |", flush=True)


def corpora(part: PreparedCorpus, media: Path | None) -> Iterator[tuple[str, PreparedCorpus]]:
    """Yield the original corpus, and versions with shifted sound."""
    yield "as it is", part
    for name in SHIFTS if media is not None else ():
        table = extract_shifted_sound(part, media, SOUND_SHIFTS[name])
        yield name, replace(part, features={**part.features, "audio": table})


def subsets(model: AnyModel, shift: str) -> list[tuple[str, ...]]:
    """Return all modalities, and each alone; for shifted sound, only sets with audio."""
    names = tuple(model.inputs.output_widths)
    chosen = [names] if len(names) == 1 else [names, *((name,) for name in names)]
    return [subset for subset in chosen if shift == "as it is" or "audio" in subset]


def measure(
    model: AnyModel, predictions: Predictions, subset: tuple[str, ...], request: SetRequest
) -> str:
    """Return the cells of a row."""
    stored = check_set_request(model, request, model.name).find(subset)
    thresholds = find_thresholds(stored, request)
    result = measure_coverage(predictions, stored.method, thresholds)
    sets = label_sets(predictions.probabilities.astype(np.float64), stored.method, thresholds)
    covered = sets[np.arange(len(predictions)), predictions.gold]
    low, high = interval(covered, predictions.conversations)
    kind = f"{request.level:.0%}" + (" of each" if request.class_conditional else "")
    by_label = [100 * result.by_label.get(name, np.nan) for name in model.labels]
    return " | ".join(
        [
            f"{kind}, {stored.method}",
            f"{100 * result.coverage:.1f} ({low:.1f} to {high:.1f})",
            f"{result.size:.2f}",
            f"{100 * result.unsure:.0f}",
            *(f"{value:.0f}" for value in by_label),
        ]
    )


def interval(covered: np.ndarray, conversations: tuple[str, ...]) -> tuple[float, float]:
    """Return the 95 % bootstrap interval of a share over conversations, in percent."""
    numbers = np.unique(conversations, return_inverse=True)[1]
    hits, sizes = np.bincount(numbers, weights=covered), np.bincount(numbers)
    draws = np.random.default_rng(0).integers(len(sizes), size=(2000, len(sizes)))
    shares = 100 * hits[draws].sum(axis=1) / sizes[draws].sum(axis=1)
    return tuple(np.percentile(shares, [2.5, 97.5]))


if __name__ == "__main__":
    main()
