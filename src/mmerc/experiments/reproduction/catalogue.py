"""All targets and their plot functions, of our papers, of plug-ins, or of a file."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

from mmerc.errors import InputError, MmercError, UsageError
from mmerc.experiments.plots.style import Plot
from mmerc.experiments.reproduction.results import TargetResults
from mmerc.experiments.reproduction.targets import (
    FOLDS_PLOT,
    PaperTargets,
    Target,
    parse_targets,
)
from mmerc.files import read_text
from mmerc.plugins import Plugin, find_plugins

Draw = Callable[[TargetResults], Plot]

_PAPERS = tuple(f"mmerc.experiments.papers.{name}" for name in ("df_erc", "dq_former", "multiemo"))
_SHARED_PLOTS = {
    "table": (("tables", "scores"), ("tables", "differences")),
    "trend": (("tables", "trend"),),
    FOLDS_PLOT: (),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetFile:
    """A paper's targets and their origin: ``mmerc``, the package of a plug-in, or a path.

    ``package`` is the module whose ``figures.py`` may have additional plots; None if no code is
    run.
    """

    paper: PaperTargets
    origin: str
    package: str | None


def list_targets() -> dict[str, tuple[str, str]]:
    """Map every target to its title and package.

    MmercError if a plug-in is broken.
    """
    return {
        name: (file.paper.targets[name].title, file.origin) for name, file in target_files().items()
    }


def find_target(name: str, path: Path | None = None) -> TargetFile:
    """Look up the file of a target; UsageError, listing all names, if unknown.

    Our own targets are found even if a plug-in is broken.
    """
    built_in = _own_targets()
    if path is None and name in built_in:
        return built_in[name]
    available = target_files(path)
    if name not in available:
        raise UsageError(f"No target is called {name!r}; choose {', '.join(available)}, or all.")
    return available[name]


def target_files(path: Path | None = None) -> dict[str, TargetFile]:
    """Map every target to its file: all installed ones, or only those of ``path``.

    No code is run for ``path``: its targets use mmerc's plots.
    """
    if path is not None:
        paper = parse_targets(read_text(path), str(path))
        return dict.fromkeys(paper.targets, TargetFile(paper=paper, origin=str(path), package=None))
    available = dict(_own_targets())
    for file in _plugin_targets():
        for name in file.paper.targets:
            if name in available:
                raise MmercError(
                    f"The package {file.origin} adds the target {name!r}, which "
                    f"{available[name].origin} has already; uninstall or update {file.origin}."
                )
            available[name] = file
    return available


@cache
def _own_targets() -> dict[str, TargetFile]:
    files = [_read_package(import_module(package), origin="mmerc") for package in _PAPERS]
    return {name: file for file in files for name in file.paper.targets}


@cache
def _plugin_targets() -> list[TargetFile]:
    return [_load_plugin(plugin) for plugin in find_plugins("mmerc.targets").values()]


def _load_plugin(plugin: Plugin) -> TargetFile:
    package = plugin.load()
    if not isinstance(package, ModuleType):
        raise MmercError(
            f"The plug-in {plugin.name!r} of the package {plugin.package} is not a module; its "
            "entry point must name a package with a targets.yaml."
        )
    return _read_package(package, origin=plugin.package)


def _read_package(package: ModuleType, *, origin: str) -> TargetFile:
    file = files(package) / "targets.yaml"
    if not file.is_file():
        raise InputError(f"package {package.__name__}", "no targets.yaml", "add one to it")
    paper = parse_targets(file.read_text(encoding="utf-8"), f"{package.__name__}/targets.yaml")
    return TargetFile(paper=paper, origin=origin, package=package.__name__)


def find_plots(target: Target, file: TargetFile) -> tuple[Draw, ...]:
    """Find the functions that draw a target.

    The target's own ``figures.py`` comes first, then the shared plots, then our papers' figures.
    UsageError if none has the plot.
    """
    function = target.plot.replace("-", "_")
    packages = [] if file.package is None else [file.package]
    if (draw := _figure_function(packages, function)) is not None:
        return (draw,)
    if target.plot in _SHARED_PLOTS:
        shared = _SHARED_PLOTS[target.plot]
        return tuple(
            getattr(import_module(f"mmerc.experiments.plots.{module}"), name)
            for module, name in shared
        )
    if (draw := _figure_function(_PAPERS, function)) is not None:
        return (draw,)
    raise UsageError(
        f"Targets of {file.origin} use the plot {target.plot!r}, which does not exist; choose "
        f"{', '.join(_SHARED_PLOTS)}, or a function of figures.py."
    )


def _figure_function(packages: Iterable[str], name: str) -> Draw | None:
    """Find a public function called ``name`` in the first ``figures.py`` that defines it."""
    for package in packages:
        if find_spec(f"{package}.figures") is None or name.startswith("_"):
            continue
        module = import_module(f"{package}.figures")
        draw: Draw | None = getattr(module, name, None)
        if callable(draw) and draw.__module__ == module.__name__:
            return draw
    return None
