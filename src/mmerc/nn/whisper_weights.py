"""A Whisper encoder, converted once from CTranslate2's format.

CTranslate2's ``model.bin`` contains a version, the specification's name and revision, and for each
variable its name, shape, number format and bytes (ctranslate2/specs/model_spec.py).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

from mmerc.caching import cache_folder, configured_cache, temporary_cache
from mmerc.errors import InputError
from mmerc.files import atomic_directory, file_fingerprint, write_json, write_text
from mmerc.packaged_weights import WHISPER

_NUMBERS = {0: "<f4", 1: "<i1", 2: "<i2", 3: "<i4", 4: "<f2"}  # DataType of ctranslate2/types.h
_ARCHITECTURE = {
    "architectures": ["WhisperModel"],
    "model_type": "whisper",
    "activation_function": "gelu",
    "dropout": 0.0,
    "attention_dropout": 0.0,
    "activation_dropout": 0.0,
}
_HEAD = 64  # width of an attention head, in every size of Whisper
_NO_DECODER = {"decoder_layers": 0, "decoder_attention_heads": 1, "max_target_positions": 1}
_NO_WORDS = {"vocab_size": 1} | dict.fromkeys(
    ("pad_token_id", "bos_token_id", "eos_token_id", "decoder_start_token_id"), 0
)


def whisper_folder() -> Path:
    """Return the folder of the packaged Whisper tiny.en encoder (see ``converted_encoder``)."""
    model = WHISPER.locate() / "model.bin"
    return converted_encoder(model, name=f"whisper-tiny.en-{WHISPER.sha256['model.bin'][:12]}")


def converted_encoder(model: Path, *, name: str) -> Path:
    """Return the encoder's cache folder; convert the weights first unless they are intact.

    ``model`` is a verified ``model.bin``; ``name`` changes with its content.
    """
    name = f"encoders/{name}"
    stored = configured_cache()
    if stored is not None and _is_complete(stored / name):
        return stored / name
    try:
        return _write_encoder(model, cache_folder() / name)
    except InputError as error:  # the disk is full
        return _write_encoder(model, temporary_cache(str(error)) / name)


def _write_encoder(model: Path, folder: Path) -> Path:
    """Convert ``model`` to ``folder``, and store the SHA-256 of the weights."""
    with atomic_directory(folder, overwrite=True) as temporary:
        _convert(model, temporary)
        write_text(temporary / "sha256", file_fingerprint(temporary / "model.safetensors"))
    return folder


def _is_complete(folder: Path) -> bool:
    """Whether the weights still match their SHA-256."""
    try:
        expected = (folder / "sha256").read_text(encoding="utf-8")
        return expected == file_fingerprint(folder / "model.safetensors")
    except (OSError, UnicodeDecodeError):
        return False


def _convert(source: Path, folder: Path) -> None:
    """Convert the encoder of a CTranslate2 Whisper; transformers also needs a decoder."""
    variables = dict(_read_variables(source))
    sizes = _sizes(variables)
    encoder = _encoder_state(variables, layers=sizes["encoder_layers"])
    state = {f"encoder.{name}": tensor.contiguous() for name, tensor in encoder.items()}
    for name in ("embed_tokens.weight", "embed_positions.weight"):
        state[f"decoder.{name}"] = torch.zeros(1, sizes["d_model"])
    for name in ("layer_norm.weight", "layer_norm.bias"):
        state[f"decoder.{name}"] = torch.zeros(sizes["d_model"])
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    write_json(folder / "config.json", {**_ARCHITECTURE, **sizes, **_NO_DECODER, **_NO_WORDS})


def _sizes(variables: dict[str, Tensor]) -> dict[str, int]:
    """Read the encoder's sizes from its variables, with transformers' names."""
    width, bands, _ = variables["encoder/conv1/weight"].shape
    layers = {name.split("/")[1] for name in variables if name.startswith("encoder/layer_")}
    return {
        "d_model": width,
        "num_mel_bins": bands,
        "encoder_layers": len(layers - {"layer_norm"}),
        "encoder_attention_heads": width // _HEAD,
        "max_source_positions": len(variables["encoder/position_encodings/encodings"]),
        "encoder_ffn_dim": len(variables["encoder/layer_0/ffn/linear_0/bias"]),
    }


def _encoder_state(variables: dict[str, Tensor], *, layers: int) -> dict[str, Tensor]:
    """Map CTranslate2's names to transformers' names; keys have no bias."""
    state = {
        "embed_positions.weight": variables["encoder/position_encodings/encodings"],
        "layer_norm.weight": variables["encoder/layer_norm/gamma"],
        "layer_norm.bias": variables["encoder/layer_norm/beta"],
    }
    for conv in ("conv1", "conv2"):
        for part in ("weight", "bias"):
            state[f"{conv}.{part}"] = variables[f"encoder/{conv}/{part}"]
    for layer in range(layers):
        state |= _layer_state(variables, f"encoder/layer_{layer}/", f"layers.{layer}.")
    return state


def _layer_state(variables: dict[str, Tensor], old: str, new: str) -> dict[str, Tensor]:
    """Map one layer; CTranslate2 stores queries, keys and values in one matrix."""
    state = {}
    for kind in ("weight", "bias"):
        parts = variables[f"{old}self_attention/linear_0/{kind}"].chunk(3)
        for name, part in zip(("q_proj", "k_proj", "v_proj"), parts, strict=True):
            state[f"{new}self_attn.{name}.{kind}"] = part
        state[f"{new}self_attn.out_proj.{kind}"] = variables[f"{old}self_attention/linear_1/{kind}"]
        for name, linear in (("fc1", "linear_0"), ("fc2", "linear_1")):
            state[f"{new}{name}.{kind}"] = variables[f"{old}ffn/{linear}/{kind}"]
    del state[f"{new}self_attn.k_proj.bias"]
    for name, norm in (("self_attn_layer_norm", "self_attention"), ("final_layer_norm", "ffn")):
        state[f"{new}{name}.weight"] = variables[f"{old}{norm}/layer_norm/gamma"]
        state[f"{new}{name}.bias"] = variables[f"{old}{norm}/layer_norm/beta"]
    return state


def _read_variables(path: Path) -> Iterator[tuple[str, Tensor]]:
    """Yield every variable of a ``model.bin`` as float32; InputError if the file is truncated."""
    try:
        with open(path, "rb") as file:
            _read_numbers(file, "I")
            _read_name(file)
            _, count = _read_numbers(file, "II")
            for _ in range(count):
                yield _read_variable(file)
    except (struct.error, KeyError, ValueError) as error:
        problem = "not a model of CTranslate2, or truncated"
        raise InputError(path, problem, "reinstall the package that it comes from") from error


def _read_variable(file: BinaryIO) -> tuple[str, Tensor]:
    """Read one variable: name, shape, number format, bytes."""
    name = _read_name(file)
    (rank,) = _read_numbers(file, "B")
    shape = _read_numbers(file, "I" * rank)
    kind, size = _read_numbers(file, "BI")
    values = np.frombuffer(file.read(size), _NUMBERS[kind]).reshape(shape)
    return name, torch.from_numpy(values.astype(np.float32))


def _read_name(file: BinaryIO) -> str:
    """Read a string preceded by its length and ending with a zero byte."""
    (length,) = _read_numbers(file, "H")
    return file.read(length)[:-1].decode()


def _read_numbers(file: BinaryIO, form: str) -> tuple[int, ...]:
    """Read little-endian numbers; ``form`` is a ``struct`` format."""
    return struct.unpack(f"<{form}", file.read(struct.calcsize(f"<{form}")))
