"""Remarks at the top of a report: differences of corpus, encoders and version."""

from __future__ import annotations

from collections.abc import Iterator

from mmerc.conversation import MODALITIES
from mmerc.data.corpus import PreparedCorpus
from mmerc.experiments.reproduction.plan import Plan
from mmerc.training.recipe import Recipe


def report_remarks(plan: Plan, corpus: PreparedCorpus, *, version: str | None) -> list[str]:
    """Return remarks of one or two sentences; ``version``: how the runs' version differs."""
    remarks = [plan.reference.differs, _encoders(plan, corpus)]
    remarks += _seen_labels(plan.baseline, corpus)
    if plan.quick:
        remarks.append(
            "Trained with --quick, one epoch on a few conversations: the numbers mean nothing."
        )
    if version is not None:
        remarks.append(f"Trained by another version: {version}.")
    remarks += [f"{name} was not trained: {reason}" for name, reason in plan.left_out.items()]
    if plan.seeds == 1 and not plan.uses_folds:
        remarks.append("One seed: no deviation, and no test over seeds.")
    return [remark for remark in remarks if remark]


def _encoders(plan: Plan, corpus: PreparedCorpus) -> str:
    """Compare the paper's encoders with ours."""
    paper = plan.paper.encoders.get(plan.reference.compare, "not stated")
    ours = "; ".join(_encoder(m, plan.baseline, corpus) for m in MODALITIES)
    return f"Encoders. The paper: {paper}. Here: {ours}."


def _encoder(modality: str, recipe: Recipe, corpus: PreparedCorpus) -> str:
    """Describe the origin of a modality's vectors."""
    if modality not in recipe.model.modalities:
        return f"no {modality}"
    if modality == "audio" and recipe.model.speech is not None:
        return f"audio by {recipe.model.speech.name}, trained with the model"
    if modality == "text" and recipe.model.text_encoder is not None:
        return f"text by {recipe.model.text_encoder.name}, trained with the model"
    table = next((t for m, t in corpus.features.items() if m == modality), None)
    if table is None:
        return f"{modality} by an encoder that is trained with the model"
    return f"{modality} as stored vectors ({table.spec.extractor}, {table.spec.dim} wide)"


def _seen_labels(recipe: Recipe, corpus: PreparedCorpus) -> Iterator[str]:
    """Remark on vectors from a network trained on the same labels."""
    for modality, table in corpus.features.items():
        trained_here = modality == "text" and recipe.model.trains_text_encoder
        if trained_here or modality not in recipe.model.modalities:
            continue
        counts = []
        for split, conversations in corpus.splits.items():
            ids = {conversation.id for conversation in conversations}
            seen = sum(row.saw_label for row in table.rows.values() if row.conversation in ids)
            if seen:
                counts.append(f"{seen} of {split}")
        if counts:
            yield (
                f"The {modality} vectors of {' and '.join(counts)} come from a network that was "
                "trained on their labels: a model trusts them more than it should on test."
            )
