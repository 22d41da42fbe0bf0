"""Package a finished run for sharing: calibrated, in 16 bits, with a model card."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from mmerc.conversation import Modality
from mmerc.data.corpus import PreparedCorpus
from mmerc.data.modality_subsets import modality_subsets, restrict_modalities
from mmerc.evaluation.abstention import AbstentionScore, measure_abstention
from mmerc.evaluation.metrics import Scores, score
from mmerc.evaluation.set_coverage import SetCoverage, measure_coverage
from mmerc.files import read_text, write_json, write_text
from mmerc.models.base import AnyModel
from mmerc.models.model_folder import find_model_folder
from mmerc.models.registry import load_model
from mmerc.models.saved_model import read_model_config
from mmerc.models.set_scores import modality_key
from mmerc.models.training_data import TrainedOn
from mmerc.prediction.prediction_sets import find_thresholds
from mmerc.prediction.set_request import SetRequest
from mmerc.training.card_tables import (
    LIMITS_HEADING,
    OTHER_CORPORA_HEADING,
    abstention_section,
    find_section,
    join_names,
    line,
    set_section,
    shift_section,
    table,
)
from mmerc.training.modality_shifts import ShiftTable, measure_shifts
from mmerc.training.model_calibration import calibrate_model, remember_windows, select_complete
from mmerc.training.recipe_files import load_recipe
from mmerc.training.scoring import predict_corpus

LEVEL = 0.9  # coverage of the prediction sets on the card
_COLUMNS = (
    "modalities", "accuracy", "weighted F1", "macro F1", "calibration error", "temperature",
    "label in its set", "labels per set",
)  # fmt: skip
_UNKNOWN = "The licence of the corpus governs the use of these weights."
_LIMITS = f"""{LIMITS_HEADING}
Real recordings in which words, voices and faces belong together (no labelled ones were \
available), languages that no corpus above has, children, dialects, real noise and telephones \
(any above are simulated), masks, and faces from the side.

## When not to use it
A predicted emotion says how an annotator would probably label an utterance, not what a person \
feels. Do not use it for decisions about people. The EU's AI Act, Art. 5(1)(f), prohibits \
inferring emotions of people at work and in education.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Packaged:
    """Scores of a packaged model on the test split, for each set of modalities.

    ``sets``: coverage of its 90 % prediction sets on utterances with all modalities.
    ``abstention``: its scores on the utterances that it is sure of. ``shifts``: its scores on the
    validation split with one misleading modality.
    """

    temperature: float
    before: Scores
    scores: Mapping[tuple[Modality, ...], Scores]
    sets: Mapping[tuple[Modality, ...], SetCoverage]
    abstention: tuple[AbstentionScore, ...]
    shifts: ShiftTable | None


def package_run(
    run: Path,
    corpus: PreparedCorpus,
    out: Path,
    *,
    media: Path | None = None,
    report: Callable[[str], None] = lambda line: None,
) -> Packaged:
    """Write the best seed on validation to ``out`` as a compact model; ``report`` its progress.

    Temperatures and scores for prediction sets are fitted on the validation split, for each set of
    modalities. The scores on its card are measured on the test split; those under shifts, on the
    validation split. With ``media``, the folder of the raw corpus, the sound is shifted too.
    InputError for an unfinished run or a corpus with other labels.
    """
    recipe = load_recipe(str(run / "recipe.yaml"))
    folder = find_model_folder(run)
    model = load_model(folder)
    report("calibrating on the validation split")
    calibrate_model(model, corpus)
    trained_on = TrainedOn.read(folder)
    extractors = {m: corpus.features[m].spec.extractor for m in model.inputs.widths}
    compact = _compact_copy(model)
    packaged = _measure_packaged(compact, corpus, media, report)
    compact.save_pretrained(
        out,
        card=_card(recipe.name, recipe.description, compact, corpus, packaged),
        trained_on=replace(trained_on, extractors=extractors),
        compact=True,
    )
    return packaged


def refit_packaged(
    folder: str | Path, corpus: PreparedCorpus, *, media: Path | None = None
) -> Packaged:
    """Refit temperatures and prediction sets of a packaged model, and renew its card.

    The weights are unchanged. InputError for a corpus with other labels.
    """
    folder = Path(folder)
    model = load_model(folder)
    calibrate_model(model, corpus)
    if model.set_scores is not None:
        model.set_scores.write(folder)
    values = {"temperature": model.temperature, "temperatures": dict(model.temperatures)}
    write_json(folder / "config.json", read_model_config(folder) | values)
    return renew_card(folder, corpus, media=media)


def renew_card(
    folder: str | Path,
    corpus: PreparedCorpus,
    *,
    media: Path | None = None,
    report: Callable[[str], None] = lambda line: None,
) -> Packaged:
    """Measure a packaged model again and rewrite its card. Arguments: see `package_run`.

    Scores on other corpora (`mmerc transfer --card`) stay.
    """
    folder = Path(folder)
    model = load_model(folder)
    packaged = _measure_packaged(model, corpus, media, report)
    former = read_text(folder / "README.md")
    title, description, *_ = former.removeprefix("# ").split("\n\n")
    card = _card(title, description, model, corpus, packaged)
    others = find_section(former, OTHER_CORPORA_HEADING)
    write_text(folder / "README.md", set_section(card, others) if others else card)
    return packaged


def _compact_copy(model: AnyModel) -> AnyModel:
    """Return the model as it will be loaded, so that the card's scores apply to it."""
    with TemporaryDirectory() as folder:
        model.save_pretrained(Path(folder) / "model", compact=True)
        return load_model(Path(folder) / "model")


def _measure_packaged(
    model: AnyModel, corpus: PreparedCorpus, media: Path | None, report: Callable[[str], None]
) -> Packaged:
    """Score the model with every subset of its modalities, and under shifts."""
    shifts = measure_shifts(model, corpus, media, report=report)
    scores: dict[tuple[Modality, ...], Scores] = {}
    sets: dict[tuple[Modality, ...], SetCoverage] = {}
    every, *fewer = modality_subsets(tuple(model.inputs.output_widths))
    predict = partial(predict_corpus, model, window_encoder=remember_windows())
    whole = restrict_modalities(corpus, every)
    tested = predict(whole, "test")
    abstention = measure_abstention(predict(whole, "valid"), tested)
    for subset in (every, *fewer):
        report(f"scoring the test split: {join_names(subset)}")
        part = restrict_modalities(corpus, subset)
        predictions = tested if subset == every else predict(part, "test")
        scores[subset] = score(predictions)
        stored = None if model.set_scores is None else model.set_scores.find(subset)
        predictions = select_complete(model, part, predictions.with_gold(), subset)
        if stored is not None and len(predictions):
            thresholds = find_thresholds(stored, SetRequest(level=LEVEL))
            sets[subset] = measure_coverage(predictions, stored.method, thresholds)
    calibrated = model.temperature, model.temperatures
    model.temperature, model.temperatures = 1.0, {}
    before = score(predict(corpus, "test"))
    model.temperature, model.temperatures = calibrated
    return Packaged(
        temperature=model.temperature, before=before, scores=scores, sets=sets,
        abstention=abstention, shifts=shifts,
    )  # fmt: skip


def _card(
    name: str,
    description: str,
    model: AnyModel,
    corpus: PreparedCorpus,
    packaged: Packaged,
) -> str:
    """Return the model card."""
    whole = next(iter(packaged.scores.values()))
    size = sum(parameter.numel() for parameter in model.parameters())
    return "\n".join(
        [
            f"# {name}\n\n{description}\n",
            f"- model: {model.name}, {size:,} parameters; labels: {', '.join(model.labels)}",
            f"- selected on the validation split of {corpus.name}; scores in percent on its test "
            f"split, {whole.utterances:,} utterances\n",
            f"## Data and terms\n{corpus.terms or _UNKNOWN}\n",
            "## Scores\n",
            table(_COLUMNS),
            *(_row(model, packaged, subset) for subset in packaged.scores),
            "\nF1 of each emotion, with all modalities:\n",
            table(list(whole.per_class_f1)),
            line([f"{f1:.1f}" for f1 in whole.per_class_f1.values()]),
            f"\nTemperatures and {100 * LEVEL:.0f} % prediction sets were fitted on the validation "
            "split. At temperature 1 the calibration error with all modalities was "
            f"{packaged.before.calibration_error:.1f}.\n",
            *abstention_section(packaged.abstention),
            *([] if packaged.shifts is None else shift_section(packaged.shifts)),
            _LIMITS,
        ]
    )


def _row(model: AnyModel, packaged: Packaged, subset: tuple[Modality, ...]) -> str:
    """Return the table row for one set of modalities."""
    scores, sets = packaged.scores[subset], packaged.sets.get(subset)
    figures = (scores.accuracy, scores.weighted_f1, scores.macro_f1, scores.calibration_error)
    temperature = model.temperatures.get(modality_key(subset), model.temperature)
    return line(
        [
            join_names(subset),
            *(f"{figure:.1f}" for figure in figures),
            f"{temperature:.2f}",
            *(["", ""] if sets is None else [f"{100 * sets.coverage:.1f}", f"{sets.size:.1f}"]),
        ]
    )
