"""``mmerc licences``: list the components and their licences."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from mmerc.cli.output import print_json, print_table

if TYPE_CHECKING:
    from mmerc.licences import Component

EXAMPLES = ("mmerc licences", "mmerc licences --format json")
_NOT_INSTALLED = "not installed"


def licences(
    form: Annotated[
        Literal["text", "json"], typer.Option("--format", help="A table to read, or JSON.")
    ] = "text",
) -> None:
    """List the licences of all components.

    Covers code, weights and packages, and whether each allows commercial use.
    """
    from mmerc.licences import all_components, noncommercial_components

    components = all_components()
    if form == "json":
        print_json({"parts": [as_json(component) for component in components]})
        return
    columns = ["component", "version", "purpose", "licence", "commercial use", "terms"]
    print_table(columns, [_as_row(component) for component in components])
    print()
    for component in components:
        if component.condition:
            print(f"{component.name}: {component.condition}")
    forbidden = ", ".join(component.name for component in noncommercial_components())
    print(f"commercial use forbidden: {forbidden}")


def _as_row(component: Component) -> list[str]:
    """Build the table row of a component."""
    version = component.version or _NOT_INSTALLED
    return [
        component.name,
        version,
        component.purpose,
        component.licence,
        component.commercial_use,
        component.terms,
    ]


def as_json(component: Component) -> dict[str, str | None]:
    """Convert a component to JSON; ``version`` is null if its package is not installed."""
    return {
        "part": component.name,
        "version": component.version,
        "what_for": component.purpose,
        "licence": component.licence,
        "commercial_use": component.commercial_use,
        "condition": component.condition,
        "terms": component.terms,
    }
