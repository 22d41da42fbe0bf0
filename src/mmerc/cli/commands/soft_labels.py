"""``mmerc soft-labels``: store predictions as soft labels, for distillation."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mmerc.cli.output import JsonOption, OverwriteOption, print_json

EXAMPLES = (
    "mmerc soft-labels --corpus corpora/meld --model mmerc-base --out corpora/meld-soft",
    "mmerc soft-labels --corpus corpora/meld --model runs/large-1 --model runs/large-2 \\",
    "  --out corpora/meld-soft",
)


def soft_labels(
    corpus: Annotated[Path, typer.Option(help="Prepared corpus.")],
    model: Annotated[
        list[str],
        typer.Option(
            help="Run, model folder, or a model that comes with mmerc (repeatable: the mean).",
            metavar="MODEL",
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder for the corpus with soft labels.")],
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
) -> None:
    """Store models' probabilities as soft labels.

    Every training utterance gets the mean of the models' probabilities; one without a label keeps
    the soft labels that it has. To train on them, use --set training.soft_label_weight=1.
    Validation and test do not change.
    """
    from mmerc.training.soft_labels import add_soft_labels

    result = add_soft_labels(corpus, model)
    result.corpus.save(out, overwrite=overwrite)
    training = result.corpus.splits["train"]
    counts = {
        "utterances": sum(len(conversation) for conversation in training),
        "conversations": len(training),
        "saw_label": result.saw_label,
    }
    if as_json:
        print_json(counts | {"out": str(out)})
        return
    print(
        f"soft labels for {counts['utterances']} training utterances; a model was trained on the "
        f"labels of {counts['saw_label']} of {counts['conversations']} conversations"
    )
    print(f"prepared corpus in {out}")
