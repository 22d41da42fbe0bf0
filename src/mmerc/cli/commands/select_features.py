"""``mmerc select-features``: select the features that best separate the labels."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from mmerc.cli.output import JsonOption, OverwriteOption, print_json

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
    from mmerc.data.feature_selection import select_corpus_features

    selected = select_corpus_features(
        corpus, out, modality=modality, count=count, selection=selection, overwrite=overwrite
    )
    path = selected.file
    counts = {
        "width": len(selected.selection.indices),
        "of": selected.width_before,
        "fitted_on": len(selected.selection.fitted_on),
    }
    if as_json:
        print_json(counts | {"selection": str(path), "out": str(out)})
        return
    print(
        f"{counts['width']} of {counts['of']} features, selected with the labels of "
        f"{counts['fitted_on']} training utterances (marked as such); the selection is in {path}"
    )
    print(f"prepared corpus in {out}")
