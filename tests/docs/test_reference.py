"""The page of the Python API lists exactly the public names."""

import importlib
import inspect
import re

import pytest
from documents import ROOT

import mmerc

LISTED = re.findall(r"^::: (\S+)$", (ROOT / "docs/api.md").read_text(), re.MULTILINE)


def test_page_lists_every_public_name():
    public = [f"mmerc.{name}" for name in mmerc.__all__ if name != "__version__"]
    assert sorted(path for path in LISTED if path.count(".") == 1) == public
    assert len(set(LISTED)) == len(LISTED)


@pytest.mark.parametrize("path", LISTED)
def test_listed_name_is_documented_and_typed(path):
    module, _, name = path.rpartition(".")
    value = getattr(importlib.import_module(module), name)
    assert value.__doc__
    if inspect.isfunction(value):
        assert all(
            parameter.annotation is not inspect.Parameter.empty
            for parameter in inspect.signature(value).parameters.values()
        )
