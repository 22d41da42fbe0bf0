"""``mmerc package``: a finished run as a small model to pass on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mmerc.cli.output import JsonOption, percent, print_json, print_table

EXAMPLES = "Example: mmerc package runs/mini --corpus corpora/composed --out models/mini"


def package(
    run: Annotated[Path, typer.Argument(help="Folder of a finished run.")],
    corpus: Annotated[Path, typer.Option(help="The prepared corpus that it was trained on.")],
    out: Annotated[Path, typer.Option(help="Folder of the model; a former one is replaced.")],
    as_json: JsonOption = False,
) -> None:
    """Calibrate the seed best on validation, and write it in 16 bits with a measured card."""
    from mmerc.data.corpus import PreparedCorpus
    from mmerc.training.packaging import ENGLISH, package_run

    found = package_run(run, PreparedCorpus.load(corpus), out)
    size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    rows = [
        {"modalities": [ENGLISH[m] for m in subset]} | scores.to_json()
        for subset, scores in found.scores.items()
    ]
    if as_json:
        print_json({"out": str(out), "bytes": size, "temperature": found.temperature, "test": rows})
        return
    print_table(
        ["modalities", "accuracy", "weighted F1", "calibration error"],
        [
            [" + ".join(ENGLISH[m] for m in subset), percent(scores.accuracy),
             percent(scores.weighted_f1), percent(scores.calibration_error)]
            for subset, scores in found.scores.items()
        ],
    )  # fmt: skip
    print(f"temperature {found.temperature:.3f}; {size / 1e6:.1f} MB in {out}")
