"""``mmerc select-features``: the features of a long vector that best separate the labels."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from mmerc.cli.output import JsonOption, OverwriteOption, print_json
from mmerc.errors import UsageError

if TYPE_CHECKING:
    from mmerc.data.corpus import PreparedCorpus
    from mmerc.features.selection import Selection

EXAMPLES = (
    "mmerc select-features --corpus corpora/meld --count 300 --out corpora/meld-300",
    "mmerc select-features --corpus corpora/mine --out corpora/mine-300 \\",
    "  --selection corpora/meld-300/audio-selection.json",
)


def select_features(
    corpus: Annotated[Path, typer.Option(help="Prepared corpus with vectors.")],
    out: Annotated[Path, typer.Option(help="Folder for the corpus with the selected features.")],
    modality: Annotated[
        Literal["audio", "video", "text"], typer.Option(help="Modality of the vectors.")
    ] = "audio",
    count: Annotated[int, typer.Option(min=1, help="Number of features to select.")] = 300,
    selection: Annotated[
        Path | None, typer.Option(help="Apply a saved selection instead of a new one.")
    ] = None,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
) -> None:
    """Select the most informative features.

    Uses only the labels of the training split; the selection is saved with the corpus.
    """
    from mmerc.data.corpus import PreparedCorpus
    from mmerc.features.selection import Selection

    prepared = PreparedCorpus.load(corpus)
    if modality not in prepared.features:
        raise UsageError(f"{corpus} has no {modality} vectors; extract them first.")
    table = prepared.features[modality]
    saved = None if selection is None else Selection.load(selection)
    chosen = saved or fit(prepared, modality, count)
    features = {**prepared.features, modality: chosen.apply(table)}
    replace(prepared, features=features).save(out, overwrite=overwrite)
    path = out / f"{modality}-selection.json"
    chosen.save(path)
    counts = {
        "width": len(chosen.indices),
        "of": table.spec.dim,
        "fitted_on": len(chosen.fitted_on),
    }
    if as_json:
        print_json(counts | {"selection": str(path), "out": str(out)})
        return
    print(
        f"{counts['width']} of {counts['of']} features, selected with the labels of "
        f"{counts['fitted_on']} training utterances (marked as such); the selection is in {path}"
    )
    print(f"prepared corpus in {out}")


def fit(
    corpus: PreparedCorpus, modality: Literal["audio", "video", "text"], count: int
) -> Selection:
    """Fit a selection on the corpus's training split."""
    from mmerc.features.selection import fit_selection

    labels = {
        (conversation.id, utterance.id): utterance.label
        for conversation in corpus.splits.get("train", ())
        for utterance in conversation.utterances
        if utterance.label is not None
    }
    return fit_selection(corpus.features[modality], labels, labels.keys(), count=count)
