"""What a reader must know before the numbers: where corpus, encoder and version differ."""

from __future__ import annotations

from collections.abc import Sequence

from mmerc.conversation import MODALITIES
from mmerc.experiments.measured import Measured
from mmerc.experiments.plan import Plan
from mmerc.experiments.workspace import Workspace
from mmerc.training.recipe import Recipe


def remarks(
    plan: Plan, workspace: Workspace, measured: Sequence[Measured], *, version: str | None
) -> list[str]:
    """One sentence or two each."""
    recipe = plan.recipes[plan.target.baseline]
    said = [plan.comparison.differs, encoders(plan, workspace, recipe)]
    said += seen_labels(workspace, recipe)
    if workspace.quick:
        said.append(
            "Made with --quick, one epoch on a few conversations: no number means anything."
        )
    if version is not None:
        said.append(f"Trained by another version: {version}.")
    said += [f"{name} was not trained: {why}" for name, why in plan.left_out.items()]
    if measured and len(measured[0].seeds) < 2:
        said.append("One seed: no deviation, and no test over seeds.")
    return [line for line in said if line]


def encoders(plan: Plan, workspace: Workspace, recipe: Recipe) -> str:
    """The paper's encoders and ours."""
    paper = plan.paper.encoders.get(plan.comparison.compare, "not said")
    ours = "; ".join(encoder(m, workspace, recipe) for m in MODALITIES)
    return f"Encoders. The paper: {paper}. Here: {ours}."


def encoder(modality: str, workspace: Workspace, recipe: Recipe) -> str:
    """Where a modality's vectors come from."""
    if modality not in recipe.model.modalities:
        return f"no {modality}"
    if modality == "audio" and recipe.model.speech is not None:
        return f"audio by {recipe.model.speech.name}, trained with the model"
    if modality == "text" and recipe.model.text_encoder is not None:
        return f"text by {recipe.model.text_encoder.name}, trained with the model"
    table = next((t for m, t in workspace.corpus.features.items() if m == modality), None)
    if table is None:
        return f"{modality} by an encoder that is trained with the model"
    return f"{modality} as stored vectors ({table.spec.extractor}, {table.spec.dim} wide)"


def seen_labels(workspace: Workspace, recipe: Recipe) -> list[str]:
    """Which vectors come from a network that was trained on these very labels."""
    said = []
    for modality, table in workspace.corpus.features.items():
        trained_here = modality == "text" and recipe.model.trains_text_encoder
        if trained_here or modality not in recipe.model.modalities:
            continue
        counts = []
        for split, conversations in workspace.corpus.splits.items():
            ids = {conversation.id for conversation in conversations}
            seen = sum(row.saw_label for row in table.rows.values() if row.conversation in ids)
            if seen:
                counts.append(f"{seen} of {split}")
        if counts:
            said.append(
                f"The {modality} vectors of {' and '.join(counts)} come from a network that was "
                "trained on their labels: a model trusts them more than it can on test."
            )
    return said
