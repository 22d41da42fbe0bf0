"""A reader of pickles that makes arrays and plain containers, and runs nothing else."""

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

# Python 2, older numpy and newer numpy call the same things by different names. Objects are given
# from here and never imported by name, so that nothing but these can be reached.
ADMITTED: Mapping[tuple[str, str], Any] = {
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


class RestrictedUnpickler(pickle.Unpickler):
    """Refuses every global that is not admitted above."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in ADMITTED:
            problem = f"the file carries code ({module}.{name}), which was not run"
            fix = "take the file from its authors, or save it again with arrays and lists only"
            raise InputError("pickle", problem, fix)
        return ADMITTED[module, name]


def read_pickle(file: Path) -> Any:
    """Read a pickle of arrays, containers, numbers and strings; InputError for anything else.

    Python 2 strings come as Latin-1 text.
    """
    if not file.is_file():
        raise InputError(file, "no such file", "check the path")
    try:
        return RestrictedUnpickler(io.BytesIO(file.read_bytes()), encoding="latin1").load()
    except InputError as error:
        raise error.inside(file) from error
    # A damaged pickle can raise whatever the objects inside it raise.
    except Exception as error:
        problem = f"not a whole pickle ({str(error) or type(error).__name__})"
        raise InputError(file, problem, "copy or download it again") from error
