"""A pickle reader limited to arrays and plain containers."""

from __future__ import annotations

import _codecs
import collections
import io
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy._core import multiarray, numeric

from mmerc.errors import InputError

# Python 2, older numpy and newer numpy use different names for the same objects. Names are looked
# up here and never imported, so that nothing else is accessible.
_ADMITTED: Mapping[tuple[str, str], Any] = {
    **{
        (f"numpy.{core}.multiarray", name): getattr(multiarray, name)
        for core in ("core", "_core")
        for name in ("_reconstruct", "scalar")
    },
    **{
        (f"numpy.{core}.numeric", "_frombuffer"): getattr(numeric, "_frombuffer")  # noqa: B009
        for core in ("core", "_core")
    },
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("_codecs", "encode"): _codecs.encode,
    ("collections", "OrderedDict"): collections.OrderedDict,
    **{
        (module, kind.__name__): kind
        for module in ("builtins", "__builtin__")
        for kind in (set, frozenset, list, dict, tuple, bytearray)
    },
}


_BINARY = b"\x80"  # the first byte of protocol 2 and above
_CONVERTED = "damaged: a program has turned its line feeds into Windows line ends (CRLF)"
_CONVERTED_FIX = "copy or download it again in binary mode"


class _RestrictedUnpickler(pickle.Unpickler):
    """Refuses every global that is not in ``_ADMITTED``."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ADMITTED:
            problem = f"the file carries code ({module}.{name}), which was not run"
            fix = "take the file from its authors, or save it again with arrays and lists only"
            raise InputError("pickle", problem, fix)
        return _ADMITTED[module, name]


def read_pickle(file: Path) -> Any:
    """Read a pickle of arrays, containers, numbers and strings; InputError for anything else.

    Python 2 strings are returned as Latin-1 text.
    """
    if not file.is_file():
        raise InputError(file, "no such file", "check the path")
    content = file.read_bytes()
    converted = _has_converted_line_ends(content)
    if converted and not content.startswith(_BINARY):  # text, with one more byte per line
        raise InputError(file, _CONVERTED, _CONVERTED_FIX)
    try:
        return _RestrictedUnpickler(io.BytesIO(content), encoding="latin1").load()
    # A damaged pickle may raise anything.
    except Exception as error:
        if converted:
            raise InputError(file, _CONVERTED, _CONVERTED_FIX) from error
        if isinstance(error, InputError):
            raise error.inside(file) from error
        problem = f"not a complete pickle ({str(error) or type(error).__name__})"
        raise InputError(file, problem, "copy or download it again") from error


def _has_converted_line_ends(content: bytes) -> bool:
    """Whether every line feed follows a carriage return, as after a transfer in text mode."""
    count = content.count(b"\n")
    return count > 0 and count == content.count(b"\r\n")
