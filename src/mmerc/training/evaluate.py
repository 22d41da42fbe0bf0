"""Scores of a run, or of any other model, on a split of a prepared corpus."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmerc.conversation import Split
from mmerc.data.corpus import PreparedCorpus
from mmerc.data.corpus_media import add_corpus_sounds
from mmerc.errors import InputError, UsageError
from mmerc.evaluation.metrics import score
from mmerc.evaluation.predictions import Predictions
from mmerc.files import fingerprint, write_json, write_text
from mmerc.models.model_folder import locate_model
from mmerc.models.registry import load_model
from mmerc.training.evaluation_remarks import check_labels, find_remarks
from mmerc.training.result import build_result, confusion_csv, read_result, scores_json
from mmerc.training.scoring import predict_corpus


@dataclass(frozen=True, slots=True, kw_only=True)
class _ModelFolders:
    """The models of a run by seed, or a single model with seed None."""

    recipe: str
    folders: Mapping[int | None, Path]
    run: Path | None


def evaluate(
    model: str | Path,
    corpus: PreparedCorpus | str | Path | None = None,
    *,
    media: str | Path | None = None,
    split: Split = "test",
    out: str | Path | None = None,
) -> dict[str, Any]:
    """Evaluate a model on a split of a corpus with the same label set.

    ``model`` is a run folder (every seed is evaluated), a model folder, a model that comes with
    mmerc (``mmerc-mini``) or a Hub repository. ``corpus`` is a prepared corpus or its folder;
    without it, a run's own result is returned. Models that read waveforms need ``media``, the
    folder of the raw corpus.

    Returns the content of ``result.json`` (scores in percent), with ``remarks`` on why the scores
    may be unreliable: absent modalities, vectors from other extractors than in training,
    conversations that the model was trained on. Predictions, confusion and result are written to
    ``out``; the default is RUN/evaluations for a run, and no output for a single model.

    InputError for a corpus with other labels, without labels or without the split, and for an
    unfinished run; MmercError for a missing model.
    """
    models = _find_models(model, needs_run=corpus is None)
    if corpus is None:
        if split != "test" or out is not None:
            raise UsageError("Name the --corpus to evaluate on another split or to use --out.")
        return read_result(Path(model))
    if not isinstance(corpus, PreparedCorpus):
        corpus = PreparedCorpus.load(Path(corpus))
    corpus = add_corpus_sounds(corpus, media)
    check_labels(corpus, split)
    folder = Path(out) if out is not None else _default_folder(models, corpus, split)
    if out is not None:
        _check_out(Path(out))
    return _evaluate_models(models, corpus, split=split, out=folder)


def _find_models(source: str | Path, *, needs_run: bool) -> _ModelFolders:
    """Find the models of a finished run, or a single model."""
    run = Path(source)
    if (run / "run.json").is_file():
        result = read_result(run)
        seeds = [int(seed["seed"]) for seed in result["seeds"]]
        folders: dict[int | None, Path] = {n: run / f"seed-{n}" / "model" for n in seeds}
        return _ModelFolders(recipe=str(result["recipe"]), folders=folders, run=run)
    if needs_run:
        fix = "name a finished run, or the --corpus to evaluate a model on"
        raise InputError(source, "not a run", fix)
    return _ModelFolders(recipe=str(source), folders={None: locate_model(source)}, run=None)


def _default_folder(models: _ModelFolders, corpus: PreparedCorpus, split: Split) -> Path | None:
    """Return the folder for a run's evaluation on a corpus; None for a single model."""
    if models.run is None:
        return None
    name = f"{corpus.name}-{fingerprint(corpus.fingerprints)[:12]}"
    return models.run / "evaluations" / (name if split == "test" else f"{name}-{split}")


def _check_out(out: Path) -> None:
    """Refuse a folder with files other than an evaluation's."""
    if out.is_dir() and any(out.iterdir()) and not (out / "result.json").is_file():
        raise InputError(out, "contains other files", "choose another --out")


def _evaluate_models(
    models: _ModelFolders, corpus: PreparedCorpus, *, split: Split, out: Path | None
) -> dict[str, Any]:
    """Predict with each model; also write the results if there is a folder."""
    seeds: list[dict[str, Any]] = []
    predictions: list[Predictions] = []
    remarks: dict[str, None] = {}  # an ordered set
    for seed, folder in models.folders.items():
        model = load_model(folder)
        predicted = predict_corpus(model, corpus, split)
        remarks |= dict.fromkeys(find_remarks(model, folder, corpus, split))
        if out is not None:
            ending = "" if seed is None else f"-seed-{seed}"
            predicted.save(out / f"predictions{ending}.parquet")
            write_text(out / f"confusion{ending}.csv", confusion_csv(predicted))
        predictions.append(predicted)
        seeds.append({"seed": seed, split: scores_json(score(predicted), model.labels)})
    result = build_result(
        recipe=models.recipe, model=model.name, corpus=corpus, seeds=seeds,
        predictions=predictions, split=split,
    ) | {"split": split, "remarks": list(remarks)}  # fmt: skip
    if out is not None:
        write_json(out / "result.json", result)
    return result
