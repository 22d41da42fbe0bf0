"""Models asked again on what is disturbed; an answer is kept, and never sought twice."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmerc.data.corpus import PreparedCorpus
from mmerc.evaluation.comparison import Versus, compare_runs, values
from mmerc.evaluation.metrics import Metric
from mmerc.evaluation.predictions import Predictions
from mmerc.evaluation.significance import summarise
from mmerc.experiments.masking import predict_masked
from mmerc.experiments.robustness.disturbances import DISTURBANCES, Disturbance
from mmerc.experiments.robustness.material import Material
from mmerc.experiments.robustness.remaking import LeftOut
from mmerc.experiments.robustness.subjects import Subject
from mmerc.experiments.target import Masking
from mmerc.files import file_fingerprint, fingerprint
from mmerc.models.base import AnyModel
from mmerc.models.registry import load_model
from mmerc.training.cache import code_fingerprint
from mmerc.training.scoring import predict_corpus

UNDISTURBED = "undisturbed"
Told = Mapping[Disturbance | None, PreparedCorpus]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A run under one disturbance (None: none), in percent.

    ``versus`` compares it with the undisturbed run on the same resampled conversations; None where
    it is that, or where there is but one conversation.
    """

    run: str
    disturbance: Disturbance | None
    mean: float
    deviation: float
    seeds: int
    versus: Versus | None

    def to_json(self) -> dict[str, Any]:
        """A line of ``robustness.csv``."""
        found = None if self.versus is None else self.versus.bootstrap
        return {
            "run": self.run,
            "modality": None if self.disturbance is None else self.disturbance.modality,
            "disturbance": UNDISTURBED if self.disturbance is None else self.disturbance.how,
            "strength": None if self.disturbance is None else self.disturbance.strength,
            "mean": self.mean,
            "deviation": self.deviation,
            "seeds": self.seeds,
            "difference": None if found is None else found.difference,
            "low": None if found is None else found.low,
            "high": None if found is None else found.high,
            "bootstrap_p": None if found is None else found.p_value,
            "holm_p": None if self.versus is None else self.versus.adjusted,
            "seeds_t_p": None if self.versus is None else self.versus.seeds.t_p_value,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """Rows of a run, and a line for each kind of disturbance that was left out."""

    rows: tuple[Row, ...]
    left_out: tuple[str, ...]


def measure(
    subject: Subject,
    material: Material,
    out: Path,
    *,
    modalities: Collection[str],
    metric: Metric,
    report: Callable[[str], None],
) -> Measured:
    """Every disturbance of the modalities that the run reads; predictions are kept in ``out``."""
    wanted = [d for d in DISTURBANCES if d.modality in subject.modalities]
    wanted = [d for d in wanted if d.modality in modalities]
    found = {d: material.disturbed(d, subject.first) for d in wanted}
    told: dict[Disturbance | None, PreparedCorpus] = {None: material.corpus}
    told |= {d: corpus for d, corpus in found.items() if not isinstance(corpus, LeftOut)}
    made = predictions(subject, told, out / "predictions", report=report)
    reasons = {
        f"{subject.name}: {d.modality}, {d.how} is left out: {why.reason}."
        for d, why in found.items()
        if isinstance(why, LeftOut)
    }
    rows = rows_of(subject.name, made, metric)
    return Measured(rows=rows, left_out=tuple(sorted(reasons)))


def predictions(
    subject: Subject, told: Told, folder: Path, *, report: Callable[[str], None]
) -> dict[Disturbance | None, list[Predictions]]:
    """Of every disturbance, the predictions of each seed."""
    made: dict[Disturbance | None, list[Predictions]] = {d: [] for d in told}
    for seed, source in subject.folders.items():
        model = load_model(source)
        for disturbance, corpus in told.items():
            name = slug(disturbance)
            key = prediction_key(source, model, corpus, name)
            path = folder / Path(subject.name).name / seed / f"{name}-{key[:16]}.parquet"
            if not path.is_file():
                report(f"{subject.name}, {seed}: {name}")
                predict(model, corpus, disturbance).save(path)
            made[disturbance].append(Predictions.load(path))
    return made


def predict(
    model: AnyModel, corpus: PreparedCorpus, disturbance: Disturbance | None
) -> Predictions:
    """Predictions on the one split of a corpus."""
    (split,) = corpus.splits
    if disturbance is None or disturbance.strength is not None:
        return predict_corpus(model, corpus, split)
    masking = Masking.model_validate({"modality": disturbance.modality, "how": disturbance.how})
    return predict_masked(model, masking, corpus, split)


def prediction_key(source: Path, model: AnyModel, corpus: PreparedCorpus, name: str) -> str:
    """Hash of all that decides predictions: the model, what it reads, and the code."""
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


def slug(disturbance: Disturbance | None) -> str:
    """A name for files: ``audio-noise-20-dB``."""
    if disturbance is None:
        return UNDISTURBED
    name = f"{disturbance.modality} {disturbance.name}"
    return name.replace(",", "").replace("%", "percent").replace(" ", "-")


def rows_of(
    run: str, made: Mapping[Disturbance | None, Sequence[Predictions]], metric: Metric
) -> tuple[Row, ...]:
    """A row a disturbance, the undisturbed run first; Holm's correction over all of its rows."""
    named = {slug(d): found for d, found in made.items()}
    several = len(set(made[None][0].known().conversations)) > 1 and len(made) > 1
    versus = {v.name: v for v in compare_runs(named, metric=metric)} if several else {}
    rows = []
    for disturbance, found in made.items():
        mean, deviation = summarise(values(found, metric))
        rows.append(
            Row(
                run=run,
                disturbance=disturbance,
                mean=mean,
                deviation=deviation,
                seeds=len(found),
                versus=versus.get(slug(disturbance)),
            )
        )
    return tuple(rows)
