"""Score models on disturbed corpora; predictions are stored and reused."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmerc.data.corpus import PreparedCorpus
from mmerc.evaluation.comparison import Versus, compare_runs, values
from mmerc.evaluation.metrics import Metric
from mmerc.evaluation.predictions import Predictions
from mmerc.evaluation.significance import summarise
from mmerc.experiments.reproduction.masking import predict_masked
from mmerc.experiments.reproduction.targets import Masking
from mmerc.experiments.robustness.disturbances import DISTURBANCES, Disturbance
from mmerc.experiments.robustness.disturbed_corpora import DisturbedCorpora
from mmerc.experiments.robustness.evaluated_runs import EvaluatedRun
from mmerc.experiments.robustness.stored_extractor import Inapplicable
from mmerc.files import file_fingerprint, fingerprint
from mmerc.models.base import AnyModel
from mmerc.models.registry import load_model
from mmerc.training.cache import code_fingerprint
from mmerc.training.scoring import predict_corpus

UNDISTURBED = "undisturbed"
_Corpora = Mapping[Disturbance | None, PreparedCorpus]  # None: undisturbed
_PredictionsBySeed = list[Predictions]


@dataclass(frozen=True, slots=True, kw_only=True)
class RobustnessScore:
    """A run's score under one disturbance (None: undisturbed), in percent.

    ``versus`` compares it with the undisturbed run on the same resampled conversations; None for
    the undisturbed run itself, or with a single conversation.
    """

    run: str
    disturbance: Disturbance | None
    mean: float
    deviation: float
    seeds: int
    versus: Versus | None

    def to_json(self) -> dict[str, Any]:
        """A line of ``robustness.csv``."""
        bootstrap = None if self.versus is None else self.versus.bootstrap
        return {
            "run": self.run,
            "modality": None if self.disturbance is None else self.disturbance.modality,
            "disturbance": UNDISTURBED if self.disturbance is None else self.disturbance.how,
            "strength": None if self.disturbance is None else self.disturbance.strength,
            "mean": self.mean,
            "deviation": self.deviation,
            "seeds": self.seeds,
            "difference": None if bootstrap is None else bootstrap.difference,
            "low": None if bootstrap is None else bootstrap.low,
            "high": None if bootstrap is None else bootstrap.high,
            "bootstrap_p": None if bootstrap is None else bootstrap.p_value,
            "holm_p": None if self.versus is None else self.versus.adjusted,
            "seeds_t_p": None if self.versus is None else self.versus.seeds.t_p_value,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRobustness:
    """Scores of a run, and a line for each skipped kind of disturbance."""

    scores: tuple[RobustnessScore, ...]
    left_out: tuple[str, ...]


def measure_robustness(
    evaluated: EvaluatedRun,
    corpora: DisturbedCorpora,
    out: Path,
    *,
    modalities: Collection[str],
    metric: Metric,
    report: Callable[[str], None],
) -> RunRobustness:
    """Score a run under every disturbance of ``modalities``; store predictions in ``out``."""
    read = set(evaluated.modalities) & set(modalities)
    outcomes = {d: corpora.apply(d, evaluated.first) for d in DISTURBANCES if d.modality in read}
    applied: dict[Disturbance | None, PreparedCorpus] = {None: corpora.corpus}
    applied |= {d: c for d, c in outcomes.items() if not isinstance(c, Inapplicable)}
    predictions = _predict_all(evaluated, applied, out / "predictions", report=report)
    left_out = {
        f"{evaluated.name}: {d.modality}, {d.how} is left out: {outcome.reason}."
        for d, outcome in outcomes.items()
        if isinstance(outcome, Inapplicable)
    }
    scores = _scores(evaluated.name, predictions, metric)
    return RunRobustness(scores=scores, left_out=tuple(sorted(left_out)))


def _predict_all(
    evaluated: EvaluatedRun, corpora: _Corpora, folder: Path, *, report: Callable[[str], None]
) -> dict[Disturbance | None, _PredictionsBySeed]:
    """Predict every corpus with the model of every seed, unless ``folder`` has the predictions."""
    predictions: dict[Disturbance | None, _PredictionsBySeed] = {d: [] for d in corpora}
    for seed, source in evaluated.folders.items():
        model = load_model(source)
        for disturbance, corpus in corpora.items():
            name = _file_name(disturbance)
            key = _prediction_key(source, model, corpus, name)
            path = folder / Path(evaluated.name).name / seed / f"{name}-{key[:16]}.parquet"
            if not path.is_file():
                report(f"{evaluated.name}, {seed}: {name}")
                _predict_disturbed(model, corpus, disturbance).save(path)
            predictions[disturbance].append(Predictions.load(path))
    return predictions


def _predict_disturbed(
    model: AnyModel, corpus: PreparedCorpus, disturbance: Disturbance | None
) -> Predictions:
    """Predict the only split of a corpus; masks are applied to its batches."""
    (split,) = corpus.splits
    if disturbance is None or disturbance.strength is not None:
        return predict_corpus(model, corpus, split)
    masking = Masking.model_validate({"modality": disturbance.modality, "how": disturbance.how})
    return predict_masked(model, masking, corpus, split)


def _prediction_key(source: Path, model: AnyModel, corpus: PreparedCorpus, name: str) -> str:
    """Hash everything that determines predictions: model, input and code."""
    parts = ["conversations", *model.inputs.widths]
    parts += ["sounds"] if model.speech_encoder is not None else []
    return fingerprint(
        {
            "weights": file_fingerprint(source / "model.safetensors"),
            "config": file_fingerprint(source / "config.json"),
            "corpus": {part: corpus.fingerprints.get(part) for part in parts},
            "disturbance": name,
            "code": code_fingerprint(),
        }
    )


def _file_name(disturbance: Disturbance | None) -> str:
    """Return a file name such as ``audio-noise-20-dB``."""
    if disturbance is None:
        return UNDISTURBED
    name = f"{disturbance.modality} {disturbance.name}"
    return name.replace(",", "").replace("%", "percent").replace(" ", "-")


def _scores(
    run: str, predictions: Mapping[Disturbance | None, _PredictionsBySeed], metric: Metric
) -> tuple[RobustnessScore, ...]:
    """Score every disturbance, undisturbed first, with Holm's correction over the run."""
    by_name = {_file_name(disturbance): seeds for disturbance, seeds in predictions.items()}
    conversations = set(predictions[None][0].with_gold().conversations)
    comparable = len(conversations) > 1 and len(predictions) > 1
    versus = {v.name: v for v in compare_runs(by_name, metric=metric)} if comparable else {}
    scores = []
    for disturbance, seeds in predictions.items():
        mean, deviation = summarise(values(seeds, metric))
        scores.append(
            RobustnessScore(
                run=run,
                disturbance=disturbance,
                mean=mean,
                deviation=deviation,
                seeds=len(seeds),
                versus=versus.get(_file_name(disturbance)),
            )
        )
    return tuple(scores)
