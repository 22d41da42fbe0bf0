"""Parse JSON and YAML that users write; keys that occur twice are refused."""

from __future__ import annotations

import json
from typing import Any

import yaml

from mmerc.errors import InputError

_FIX = "fix the file or write it again"
_KEEP_ONE = "keep one of them"
_MERGE = "tag:yaml.org,2002:merge"


class _DuplicateKeyError(ValueError):
    """A key that occurs twice in an object; ``start`` shows where the object begins."""

    def __init__(self, key: str, start: str) -> None:
        super().__init__(key)
        self.key, self.start = key, start


def parse_json(text: str, *, where: object, fix: str = _FIX) -> Any:
    """Parse JSON; InputError, with the position, if it is damaged or a key occurs twice."""
    try:
        return json.loads(text, object_pairs_hook=_build_object)
    except _DuplicateKeyError as error:
        problem = f"the key {error.key!r} occurs twice in the object that begins {error.start}"
        raise InputError(where, problem, _KEEP_ONE) from error
    except json.JSONDecodeError as error:
        line, column = f"line {error.lineno}", f"column {error.colno}"
        place = line if "\n" in text.strip() else column
        raise InputError(where, f"not JSON ({place}: {error.msg.lower()})", fix) from error
    except (ValueError, RecursionError) as error:
        problem = "JSON with a number that is too long or lists nested too deeply"
        raise InputError(where, problem, fix) from error


def _build_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Build an object; _DuplicateKeyError for a key that occurs twice."""
    value = dict(pairs)
    if len(value) < len(pairs):
        names = [name for name, _ in pairs]
        key = next(name for name in names if names.count(name) > 1)
        raise _DuplicateKeyError(key, json.dumps(dict(pairs[:1]))[:40])
    return value


class UniqueKeys(yaml.constructor.BaseConstructor):
    """Part of a YAML loader: refuses keys that occur twice in a section."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        pairs = node.value if isinstance(node, yaml.MappingNode) else []
        nodes = [key for key, _ in pairs if key.tag != _MERGE]
        keys = [self.construct_object(key, deep=True) for key in nodes]
        for key, place in zip(keys, nodes, strict=True):
            if keys.count(key) > 1:
                line = place.start_mark.line + 1
                raise yaml.YAMLError(f"the key {key!r} of line {line} occurs twice in its section")
        return dict(super().construct_mapping(node, deep=deep))


class _DataLoader(UniqueKeys, yaml.SafeLoader):
    """A loader of plain data."""


def parse_yaml(text: str) -> Any:
    """Parse plain data as YAML; YAMLError if it is damaged or a key occurs twice."""
    return yaml.load(text, _DataLoader)  # noqa: S506 - a safe loader
