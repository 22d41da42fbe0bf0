"""Bundle the JavaScript modules of a page into one script.

The page of an analysis is a single offline file, so it cannot import modules at run time.
"""

from __future__ import annotations

import re
from importlib.resources.abc import Traversable
from pathlib import PurePosixPath

_IMPORT = re.compile(r'^import \{[^}]*\} from "([^"]+)";\n', re.MULTILINE)
_DOC_COMMENT = re.compile(r"^[ \t]*/\*\*.*?\*/\n", re.MULTILINE | re.DOTALL)
_EXPORT = re.compile(r"^export (?=(?:async )?(?:function|class|const) )", re.MULTILINE)


def bundle_modules(package: Traversable, entry: str) -> str:
    """Bundle the modules that ``entry`` imports, in order of dependency, then ``entry``.

    ``entry`` is a path inside ``package``. Modules use only named imports and exports and share
    one scope in the bundle, so top-level names must be unique. Documentation comments are removed.
    """
    bundled: dict[str, str] = {}
    _add_module(package, PurePosixPath(entry), bundled)
    return "\n".join(bundled.values())


def _add_module(package: Traversable, path: PurePosixPath, bundled: dict[str, str]) -> None:
    """Add a module after its imports, each once."""
    name = _normalise(path)
    if name in bundled:
        return
    source = package.joinpath(*name.split("/")).read_text(encoding="utf-8")
    for imported in _IMPORT.findall(source):
        _add_module(package, path.parent / imported, bundled)
    for pattern in (_IMPORT, _DOC_COMMENT, _EXPORT):
        source = pattern.sub("", source)
    bundled[name] = source


def _normalise(path: PurePosixPath) -> str:
    """Resolve ``.`` and ``..`` in a path."""
    parts: list[str] = []
    for part in path.parts:
        if part == "..":
            parts.pop()
        elif part != ".":
            parts.append(part)
    return "/".join(parts)
