"""``mmerc train-faces``: train the network for face vectors on FER2013."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mmerc.cli.output import (
    JsonOption,
    QuietOption,
    SettingsOption,
    percent,
    print_json,
    print_table,
    remark,
    silent,
)
from mmerc.errors import UsageError

if TYPE_CHECKING:
    from mmerc.training.face_network.config import FaceNetworkConfig

EXAMPLES = (
    "mmerc train-faces fer2013.parquet --out runs/faces",
    "mmerc train-faces fer2013.parquet --out runs/faces --device cuda --set epochs=60",
)


def train_faces(
    faces: Annotated[
        Path, typer.Argument(help="FER2013 as Parquet with columns name, usage, label and jpeg.")
    ],
    out: Annotated[Path, typer.Option(help="Folder for the run; run the same command to resume.")],
    changes: SettingsOption = None,
    initial: Annotated[
        str | None, typer.Option(help="Weights to start from: a file, or denseface.")
    ] = None,
    test: Annotated[
        bool, typer.Option(help="Evaluate on PrivateTest; otherwise it stays closed.")
    ] = True,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Train the face network on FER2013.

    Trains on Training, chooses the epoch on PublicTest, and evaluates once on PrivateTest. To
    compare several training runs, use --no-test, then repeat the chosen one without it.
    """
    from mmerc.training.face_network.train_faces import train_face_network

    report = silent if quiet else remark
    settings = _face_settings(changes or [])
    result = train_face_network(
        faces, out, settings, initial=initial, test=test, device=device, report=report
    )
    if as_json:
        print_json(result.model_dump(mode="json"))
        return
    splits = {"PublicTest": result.public, "PrivateTest": result.private}
    print(f"{result.images} training faces, weights of epoch {result.epoch}; accuracy:")
    print_table(
        ["faces", "all", *result.labels],
        [
            [name, *(percent(value) for value in (scores.accuracy, *scores.per_class.values()))]
            for name, scores in splits.items()
            if scores is not None
        ],
    )
    print(f"in {out}/weights.safetensors: mmerc extract ... --video denseface --weights")


def _face_settings(changes: list[str]) -> FaceNetworkConfig:
    """Return the training settings with the requested changes."""
    from pydantic import ValidationError

    from mmerc.training.face_network.config import FaceNetworkConfig
    from mmerc.training.recipe import first_problem
    from mmerc.training.recipe_files import apply_change

    value: dict[str, Any] = {}
    for change in changes:
        apply_change(value, change)
    try:
        return FaceNetworkConfig.model_validate(value)
    except ValidationError as error:
        raise UsageError(f"Face training, {first_problem(error)}.") from error
