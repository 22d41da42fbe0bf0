"""``mmerc licences``: the parts in use, and what their terms allow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from mmerc.cli.output import print_json, print_table

if TYPE_CHECKING:
    from mmerc.licences import Part

EXAMPLES = "Examples: mmerc licences; mmerc licences --format json"
NOT_INSTALLED = "not installed"


def licences(
    form: Annotated[
        Literal["text", "json"], typer.Option("--format", help="text (to read) or json.")
    ] = "text",
) -> None:
    """List code, weights and packages with their licences, and whether commerce may use them."""
    from mmerc.licences import parts_in_use, refused_commercially

    parts = parts_in_use()
    if form == "json":
        print_json({"parts": [as_json(part) for part in parts]})
        return
    columns = ["part", "version", "what for", "licence", "commercial use", "where the terms stand"]
    print_table(columns, [as_row(part) for part in parts])
    print()
    for part in parts:
        if part.condition:
            print(f"{part.name}: {part.condition}")
    print(f"commercial use forbidden: {', '.join(part.name for part in refused_commercially())}")


def as_row(part: Part) -> list[str]:
    """A line of the table."""
    version = part.version or NOT_INSTALLED
    return [part.name, version, part.purpose, part.licence, part.commercial_use, part.terms]


def as_json(part: Part) -> dict[str, str | None]:
    """A part in words; ``version`` is null where its package is not installed."""
    return {
        "part": part.name,
        "version": part.version,
        "what_for": part.purpose,
        "licence": part.licence,
        "commercial_use": part.commercial_use,
        "condition": part.condition,
        "terms": part.terms,
    }
