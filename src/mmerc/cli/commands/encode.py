"""``mmerc encode-text``: store an encoder's vectors for fast fusion experiments."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from mmerc.cli.output import JsonOption, OverwriteOption, print_json

EXAMPLES = (
    "mmerc encode-text --corpus corpora/meld --model minilm-l6 --out corpora/text",
    "mmerc encode-text --corpus corpora/meld --model runs/mini --out corpora/text",
    "mmerc encode-text --corpus corpora/meld --model roberta-base \\",
    "  --scope surrounding --speaker-prefix --out corpora/meld-roberta",
)
_Scope = Literal["conversation", "utterance", "surrounding"]


def encode_text(
    corpus: Annotated[Path, typer.Option(help="Prepared corpus.")],
    model: Annotated[str, typer.Option(help="Run, model folder, or the name of a text encoder.")],
    out: Annotated[Path, typer.Option(help="Folder for the corpus with the text vectors.")],
    scope: Annotated[
        _Scope | None,
        typer.Option(help="Context that a plain encoder reads; a run reads as it was trained."),
    ] = None,
    speaker_prefix: Annotated[
        bool,
        typer.Option(
            "--speaker-prefix",
            help="Put the speaker's name before each utterance (plain encoders).",
        ),
    ] = False,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
) -> None:
    """Store an encoder's text vectors.

    Each vector is marked if the encoder was trained on that utterance's label.
    """
    from mmerc.prediction.text_encoding import encode_text as add_text_vectors

    encoded = add_text_vectors(corpus, model, scope=scope, speaker_prefix=speaker_prefix or None)
    encoded.save(out, overwrite=overwrite)
    table = encoded.features["text"]
    rows = table.rows.values()
    counts = {
        "vectors": sum(row.vector is not None for row in rows),
        "absent": sum(row.vector is None for row in rows),
        "saw_label": sum(row.saw_label for row in rows),
        "width": table.spec.dim,
    }
    if as_json:
        print_json(counts | {"out": str(out)})
        return
    print(
        f"{counts['vectors']} text vectors, {counts['width']} wide ({counts['absent']} without "
        f"text); the encoder was trained on the labels of {counts['saw_label']} of them"
    )
    print(f"prepared corpus in {out}")
