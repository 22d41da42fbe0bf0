"""Resume state without pickle: one safetensors file with its structure as JSON in the header."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning.pytorch.plugins.io import CheckpointIO
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from mmerc.errors import InputError
from mmerc.files import atomic_file


class SafetensorsCheckpointIO(CheckpointIO):
    """Writes and reads Lightning's checkpoints, atomically."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None
    ) -> None:
        tensors: dict[str, Tensor] = {}
        structure = json.dumps(_flatten(checkpoint, tensors))
        with atomic_file(Path(path)) as temporary:
            save_file(_unshare(tensors), temporary, metadata={"structure": structure})

    def load_checkpoint(
        self, path: Any, map_location: Any = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        try:
            with safe_open(path, framework="pt") as file:
                structure = json.loads(file.metadata()["structure"])
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (SafetensorError, OSError, TypeError, KeyError) as error:
            fix = "remove it to train this seed from its start"
            raise InputError(path, "the resume state is truncated", fix) from error
        checkpoint: dict[str, Any] = _unflatten(structure, tensors)
        return checkpoint

    def remove_checkpoint(self, path: Any) -> None:
        Path(path).unlink(missing_ok=True)


def _flatten(value: Any, tensors: dict[str, Tensor]) -> Any:
    """Convert ``value`` to JSON; add its tensors to ``tensors``, numbered consecutively."""
    if isinstance(value, Tensor):
        name = str(len(tensors))
        tensors[name] = value.detach().cpu().contiguous()
        return {"tensor": name}
    if isinstance(value, Mapping):
        return {"map": [[_flatten(k, tensors), _flatten(v, tensors)] for k, v in value.items()]}
    if isinstance(value, tuple | list):
        kind = "tuple" if isinstance(value, tuple) else "list"
        return {kind: [_flatten(item, tensors) for item in value]}
    if isinstance(value, float) and not (-1e308 < value < 1e308):
        return {"float": str(value)}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"resume state cannot contain a {type(value).__name__}")


def _unshare(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Copy tensors that share the memory of an earlier one, which safetensors refuses."""
    used: set[int] = set()
    separate = {}
    for name, tensor in tensors.items():
        memory = tensor.untyped_storage().data_ptr()
        separate[name] = tensor.clone() if memory in used else tensor
        used.add(memory)
    return separate


def _unflatten(value: Any, tensors: Mapping[str, Tensor]) -> Any:
    """Inverse of ``_flatten``."""
    if not isinstance(value, dict):
        return value
    ((kind, content),) = value.items()
    if kind == "tensor":
        return tensors[content]
    if kind == "float":
        return float(content)
    if kind == "map":
        return {_unflatten(k, tensors): _unflatten(v, tensors) for k, v in content}
    items = [_unflatten(item, tensors) for item in content]
    return tuple(items) if kind == "tuple" else items
