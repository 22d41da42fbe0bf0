"""``mmerc encode-text``: store an encoder's vectors for fast fusion experiments."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from mmerc.cli.output import JsonOption, OverwriteOption, print_json, remark
from mmerc.errors import InputError, UsageError

if TYPE_CHECKING:
    from mmerc.data.corpus import PreparedCorpus

EXAMPLES = (
    "mmerc encode-text --corpus corpora/meld --model minilm-l6 --out corpora/text",
    "mmerc encode-text --corpus corpora/meld --model runs/mini --out corpora/text",
    "mmerc encode-text --corpus corpora/composed --model mmerc-mini-text \\",
    "  --out corpora/composed-text",
    "mmerc encode-text --corpus corpora/meld --model roberta-base \\",
    "  --scope surrounding --speaker-prefix --out corpora/meld-roberta",
    "mmerc encode-text --corpus corpora/meld --model runs/mini --folds 5 \\",
    "  --out corpora/meld-folds",
)
_Scope = Literal["conversation", "utterance", "surrounding"]


def encode_text(
    corpus: Annotated[Path, typer.Option(help="Prepared corpus.")],
    model: Annotated[str, typer.Option(help="Run, model, or the name of a text encoder.")],
    out: Annotated[Path, typer.Option(help="Folder for the corpus with the text vectors.")],
    scope: Annotated[
        _Scope | None,
        typer.Option(help="Context for a plain encoder; a run uses that of its training."),
    ] = None,
    speaker_prefix: Annotated[
        bool,
        typer.Option(
            "--speaker-prefix",
            help="Put the speaker's name before each utterance (plain encoders).",
        ),
    ] = False,
    folds: Annotated[
        int | None,
        typer.Option(
            min=2,
            help="Encode training conversations with encoders that have not seen their labels: "
            "train a run's recipe this many times, each on the other conversations.",
        ),
    ] = None,
    jobs: Annotated[
        int, typer.Option(min=1, help="Folds to train in parallel; they share the cores.")
    ] = 1,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
) -> None:
    """Store an encoder's text vectors.

    Each vector is marked if the encoder was trained on that utterance's label. With --folds none
    is. Interrupted training resumes when you run the command again.
    """
    from mmerc.prediction.text_encoding import encode_text as add_text_vectors

    if folds is None:
        encoded = add_text_vectors(
            corpus, model, scope=scope, speaker_prefix=speaker_prefix or None
        )
        encoded.save(out, overwrite=overwrite)
    else:
        if scope is not None or speaker_prefix:
            raise UsageError(
                "With --folds, text is read as the run reads it; remove --scope and "
                "--speaker-prefix."
            )
        encoded = _encode_folds(corpus, model, out, folds=folds, jobs=jobs, overwrite=overwrite)
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


def _encode_folds(
    corpus: Path, run: str, out: Path, *, folds: int, jobs: int, overwrite: bool
) -> PreparedCorpus:
    """Encode out of fold; trainings are stored next to ``out`` until it is written."""
    from mmerc.training.out_of_fold import encode_text_out_of_fold

    if out.exists() and not overwrite and (not out.is_dir() or any(out.iterdir())):
        raise InputError(out, "exists already", "choose another --out, or pass --overwrite")
    work = out.with_name(f"{out.name}.folds")
    encoded = encode_text_out_of_fold(corpus, run, folds=folds, work=work, jobs=jobs, report=remark)
    encoded.save(out, overwrite=overwrite)
    shutil.rmtree(work)
    return encoded
