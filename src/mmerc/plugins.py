"""Plug-ins: models, extractors, corpora and targets from entry points of other packages.

A package declares them in its ``pyproject.toml``::

    [project.entry-points."mmerc.models"]
    my-model = "my_package.model:MyModel"
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Literal

from mmerc.errors import MmercError

Group = Literal["mmerc.models", "mmerc.extractors", "mmerc.corpora", "mmerc.targets"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plugin:
    """A plug-in: its name, package and entry point."""

    name: str
    package: str
    entry_point: EntryPoint

    def load(self) -> object:
        """Import the object of the entry point; MmercError if that fails."""
        try:
            value: object = self.entry_point.load()
        except (ImportError, AttributeError) as error:
            raise MmercError(
                f"The plug-in {self.name!r} of the package {self.package} cannot be loaded "
                f"({type(error).__name__}: {error}); update or uninstall {self.package}."
            ) from error
        return value


def find_plugins(group: Group, *, reserved: Collection[str] = ()) -> dict[str, Plugin]:
    """Find the installed plug-ins of one group by name, without importing them.

    MmercError if two packages use the same name, or one uses a name of mmerc (``reserved``).
    """
    plugins: dict[str, Plugin] = {}
    for entry_point in entry_points(group=group):
        package = entry_point.dist.name if entry_point.dist is not None else "?"
        plugin = Plugin(name=entry_point.name, package=package, entry_point=entry_point)
        if plugin.name in reserved:
            raise MmercError(
                f"The package {package} adds {plugin.name!r} to {group}, a name that mmerc itself "
                f"uses; uninstall {package} or rename it there."
            )
        other = plugins.setdefault(plugin.name, plugin)
        if other is not plugin and other.package != package:
            raise MmercError(
                f"The packages {other.package} and {package} both add {plugin.name!r} to {group}; "
                "uninstall one of them."
            )
    return plugins
