"""``mmerc package``: turn a finished run into a small model to share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mmerc.cli.output import (
    JsonOption,
    QuietOption,
    percent,
    print_json,
    print_table,
    remark,
    silent,
)

EXAMPLES = ("mmerc package runs/mini --corpus corpora/composed --out models/mini",)


def package(
    run: Annotated[Path, typer.Argument(help="Folder of a finished run.")],
    corpus: Annotated[Path, typer.Option(help="Prepared corpus that the run was trained on.")],
    out: Annotated[Path, typer.Option(help="Folder for the model; an existing one is replaced.")],
    media: Annotated[
        Path | None,
        typer.Option(help="Folder of the raw corpus: also measure changed sound (minutes)."),
    ] = None,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Package a run as a small model.

    The seed with the best validation score is calibrated and written in 16 bits, with a model card
    of measured scores: by combination of modalities, by emotion, and while one modality misleads.
    """
    from mmerc.data.corpus import PreparedCorpus
    from mmerc.training.card_tables import MODALITY_NAMES, join_names
    from mmerc.training.packaging import package_run

    report = silent if quiet else remark
    packaged = package_run(run, PreparedCorpus.load(corpus), out, media=media, report=report)
    size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    rows = [
        {"modalities": [MODALITY_NAMES[m] for m in subset]} | scores.to_json()
        for subset, scores in packaged.scores.items()
    ]
    shifts = () if packaged.shifts is None else packaged.shifts.shifts
    if as_json:
        print_json(
            {
                "out": str(out), "bytes": size, "temperature": packaged.temperature, "test": rows,
                "shifts": [{"shift": item.name, "gap": item.gap} for item in shifts],
            }
        )  # fmt: skip
        return
    print_table(
        ["modalities", "accuracy", "weighted F1", "calibration error"],
        [
            [join_names(subset), percent(scores.accuracy),
             percent(scores.weighted_f1), percent(scores.calibration_error)]
            for subset, scores in packaged.scores.items()
        ],
    )  # fmt: skip
    print(f"temperature {packaged.temperature:.3f}; {size / 1e6:.1f} MB in {out}")
    for item in shifts:
        if item.gap < -1:
            without = MODALITY_NAMES[item.modality]
            print(f"{item.name}: {-item.gap:.1f} points worse than without {without}")
