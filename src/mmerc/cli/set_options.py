"""Options for prediction sets."""

from __future__ import annotations

from typing import Annotated

import typer

from mmerc.errors import UsageError
from mmerc.prediction.set_request import SetRequest

SetsOption = Annotated[
    float | None,
    typer.Option(
        metavar="LEVEL", help="Add sets of emotions that contain the label this often, such as 0.9."
    ),
]
ClassConditionalOption = Annotated[
    bool,
    typer.Option(
        "--class-conditional", help="Keep the level of --sets for each emotion separately."
    ),
]
MostLabelsOption = Annotated[
    int, typer.Option(min=1, help="A set of more emotions than this is `unsure`.")
]


def build_set_request(
    sets: float | None, *, class_conditional: bool, most_labels: int
) -> SetRequest | None:
    """Build the request from the options; None without --sets."""
    if sets is None and class_conditional:
        raise UsageError("--class-conditional needs --sets LEVEL, such as --sets 0.9.")
    return SetRequest.create(sets, class_conditional=class_conditional, most_labels=most_labels)
