"""A finished run as a small model to share: calibrated, in 16 bits, with a model card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from mmerc.conversation import Modality
from mmerc.data.corpus import PreparedCorpus
from mmerc.data.modality_subsets import modality_subsets, restrict_modalities
from mmerc.evaluation.calibration import fit_temperature
from mmerc.evaluation.metrics import Scores, score
from mmerc.models.base import AnyModel
from mmerc.models.registry import find_model_folder, load_model
from mmerc.models.training_data import TrainedOn
from mmerc.training.recipe_files import load_recipe
from mmerc.training.scoring import predict_corpus

ENGLISH: Mapping[Modality, str] = {"text": "text", "audio": "sound", "video": "faces"}
_UNKNOWN = "The corpus's licence governs what these weights may be used for."
_LIMITS = """## What it was not tested on
Real recordings in which words, voices and faces belong together: none with labels was available. \
Other languages than English, children, dialects, noise, telephones, masks, and faces from the \
side.

## What it is not for
A predicted emotion says how an annotator would probably label an utterance, not what a person \
feels. Not for decisions about people. The EU's AI Act, Art. 5(1)(f), forbids inferring emotions \
of people at work and in education.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Packaged:
    """Scores of a packaged model on the test split, by the modalities it was given."""

    temperature: float
    before: Scores
    scores: Mapping[tuple[Modality, ...], Scores]


def package_run(run: Path, corpus: PreparedCorpus, out: Path) -> Packaged:
    """Write the seed that is best on validation to ``out`` as a compact model.

    Its temperature is fitted on the validation split; the scores on its card are measured here, on
    the test split. InputError for an unfinished run, or a corpus with other labels.
    """
    recipe = load_recipe(str(run / "recipe.yaml"))
    folder = find_model_folder(run)
    model = load_model(folder)
    model.temperature = fit_temperature(predict_corpus(model, corpus, "valid"))
    trained_on = TrainedOn.read(folder)
    extractors = {m: corpus.features[m].spec.extractor for m in model.inputs.widths}
    compact = _compact_copy(model)
    packaged = _measure_packaged(compact, corpus)
    compact.save_pretrained(
        out,
        card=_card(recipe.name, recipe.description, compact, corpus, packaged),
        trained_on=replace(trained_on, extractors=extractors),
        compact=True,
    )
    return packaged


def _compact_copy(model: AnyModel) -> AnyModel:
    """Return the model as it will be loaded: the card states scores of that."""
    with TemporaryDirectory() as folder:
        model.save_pretrained(Path(folder) / "model", compact=True)
        return load_model(Path(folder) / "model")


def _measure_packaged(model: AnyModel, corpus: PreparedCorpus) -> Packaged:
    """Score the model on the test split with every subset of its modalities."""
    scores = {
        subset: score(predict_corpus(model, restrict_modalities(corpus, subset), "test"))
        for subset in modality_subsets(tuple(model.inputs.output_widths))
    }
    temperature, model.temperature = model.temperature, 1.0
    before = score(predict_corpus(model, corpus, "test"))
    model.temperature = temperature
    return Packaged(temperature=temperature, before=before, scores=scores)


def _card(
    name: str,
    description: str,
    model: AnyModel,
    corpus: PreparedCorpus,
    packaged: Packaged,
) -> str:
    """The model card."""
    whole = next(iter(packaged.scores.values()))
    size = sum(parameter.numel() for parameter in model.parameters())
    return "\n".join(
        [
            f"# {name}\n\n{description}\n",
            f"- model: {model.name}, {size:,} parameters; labels: {', '.join(model.labels)}",
            f"- chosen on the validation split of {corpus.name}; scores: its test split, "
            f"{whole.utterances:,} utterances, in percent\n",
            f"## Data and terms\n{corpus.terms or _UNKNOWN}\n",
            "## How good it is\n",
            table(["modalities", "accuracy", "weighted F1", "macro F1", "calibration error"]),
            *(_row(subset, scores) for subset, scores in packaged.scores.items()),
            "\nF1 of every emotion, with all of these modalities:\n",
            table(list(whole.per_class_f1)),
            line([f"{f1:.1f}" for f1 in whole.per_class_f1.values()]),
            f"\nThe temperature {packaged.temperature:.3f} was fitted on validation; before, the "
            f"calibration error was {packaged.before.calibration_error:.1f}.\n",
            _LIMITS,
        ]
    )


def _row(subset: Sequence[Modality], scores: Scores) -> str:
    """Scores with one set of modalities."""
    figures = (
        scores.accuracy,
        scores.weighted_f1,
        scores.macro_f1,
        scores.calibration_error,
    )
    return line([" + ".join(ENGLISH[m] for m in subset), *(f"{figure:.1f}" for figure in figures)])


def table(columns: Sequence[str]) -> str:
    """Head of a Markdown table."""
    return f"{line(columns)}\n{line(['---'] * len(columns))}"


def line(cells: Sequence[str]) -> str:
    """A line of a Markdown table."""
    return f"| {' | '.join(cells)} |"
