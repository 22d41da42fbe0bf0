"""Encode text fast, with bounded memory for text of any length."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from mmerc.data.batch import TextWindows
from mmerc.nn.bert import Bert
from mmerc.nn.bfloat16_bert import Bfloat16Bert
from mmerc.nn.text_encoder import TextEncoder
from mmerc.precision import fast_bfloat16
from mmerc.prediction.short_rows import group_sizes, pack_short_rows

_Weights = Sequence[tuple[Tensor, int]]  # with the number of in-place changes
_CONVERTED: WeakKeyDictionary[nn.Module, tuple[_Weights, TextEncoder]] = WeakKeyDictionary()


def encode_in_parts(windows: TextWindows, encoder: TextEncoder, shape: torch.Size) -> Tensor:
    """Like ``encode_windows``, about 1,024 tokens at a time. Shape: -> [*shape, width]."""
    return _encode_parts(windows, encoder, shape, fast=False)


def encode_in_few_shapes(windows: TextWindows, encoder: TextEncoder, shape: torch.Size) -> Tensor:
    """Like ``encode_in_parts``, in bfloat16 if the CPU supports it.

    oneDNN compiles a bfloat16 kernel for every new shape and never frees its half megabyte. Windows
    have multiples of 16 tokens, and utterances that are read separately rows of few lengths;
    encoding them in fixed numbers keeps shapes few.

    Shape: -> [*shape, width].
    """
    fast = fast_bfloat16("cpu") and windows.token_ids.device.type == "cpu"
    return _encode_parts(windows, encoder, shape, fast=fast)


def _encode_parts(
    windows: TextWindows, encoder: TextEncoder, shape: torch.Size, *, fast: bool
) -> Tensor:
    """Encode windows in parts of similar size; ``fast``: in bfloat16. Shape: -> [*shape, width]."""
    none = shape.numel()
    text = torch.zeros(none, encoder.width, device=windows.token_ids.device)
    reader = _in_bfloat16(encoder) if fast else encoder

    @torch.inference_mode()
    def read(part: TextWindows) -> tuple[Tensor, Tensor]:
        owners, places = torch.unique(part.pool_into, return_inverse=True)
        owners = owners[owners != none]  # sorted, and ``none`` is the last
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=fast and reader is encoder):
            vectors = reader(part.token_ids, part.attention_mask, places, utterances=len(owners))
        return owners, vectors

    for owners, vectors in _map_in_threads(read, list(_split_windows(windows, encoder, none=none))):
        text[owners] = vectors
    return text.view(*shape, encoder.width)


def _map_in_threads(
    function: Callable[[TextWindows], tuple[Tensor, Tensor]], parts: Sequence[TextWindows]
) -> Iterator[tuple[Tensor, Tensor]]:
    """Apply a function to all parts, each on one of this thread's cores.

    Faster than using all cores for one part, where they wait for each other after every product.
    """
    threads = min(torch.get_num_threads(), len(parts))
    if threads < 2 or parts[0].token_ids.device.type != "cpu":
        yield from map(function, parts)
        return
    before = torch.get_num_threads()
    try:
        with ThreadPoolExecutor(threads, initializer=partial(torch.set_num_threads, 1)) as pool:
            yield from pool.map(function, parts)
    finally:
        torch.set_num_threads(before)  # inherited by threads that start later


def _split_windows(
    windows: TextWindows, encoder: TextEncoder, *, none: int
) -> Iterator[TextWindows]:
    """Yield all windows in groups of a few sizes, or their utterances in short rows."""
    if encoder.config.scope == "utterance" and encoder.family.packs:
        yield from pack_short_rows(windows, none=none, pad_id=encoder.tokenizer.pad_id)
        return
    sizes = group_sizes(*windows.token_ids.shape)
    columns = (windows.token_ids, windows.attention_mask, windows.pool_into)
    for ids, mask, targets in zip(*(torch.split(c, sizes) for c in columns), strict=True):
        yield TextWindows(token_ids=ids, attention_mask=mask, pool_into=targets)


def _in_bfloat16(encoder: TextEncoder) -> TextEncoder:
    """Return the encoder with weights in bfloat16, converted once, if it is a plain BERT."""
    backbone: Any = encoder.backbone
    if not isinstance(backbone, Bert):
        return encoder
    known = _CONVERTED.get(backbone)
    if known is not None and _are_unchanged(known[0], backbone):
        return known[1]
    converted = copy.copy(encoder)
    converted._modules = {**encoder._modules, "backbone": Bfloat16Bert(backbone)}
    weights = [(weight, weight._version) for weight in backbone.parameters()]
    _CONVERTED[backbone] = weights, converted
    return converted


def _are_unchanged(weights: _Weights, backbone: nn.Module) -> bool:
    pairs = zip(weights, backbone.parameters(), strict=True)
    return all(old is new and version == new._version for (old, version), new in pairs)
