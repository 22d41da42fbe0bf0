"""Check an encoder of an untested family: are utterances in a row encoded independently?

Neither other utterances in a row nor padding may change an utterance's vector. A model that mixes
them would train without an error and give worse results.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from mmerc.errors import InputError
from mmerc.nn.encoder_families import NAMES, is_supported

if TYPE_CHECKING:
    from mmerc.nn.text_encoder import TextEncoder

_SHORT, _LONGER = 4, 7  # lengths of the two compared utterances, in tokens
_TOLERANCE = 1e-3  # relative to the largest value; float32 differs by less than 1e-5


def check_encoder(encoder: TextEncoder, folder: Path) -> None:
    """Run an encoder on tiny inputs; InputError if neighbours or padding change its vectors.

    Tested families are not run. Weights and the random state stay unchanged.
    """
    family = str(encoder.backbone.config.model_type)
    if is_supported(family):
        return
    training, longest = encoder.training, encoder.tokenizer.max_length
    fix = f"use {NAMES}"
    try:
        with torch.no_grad():
            problem = _find_problem(encoder.eval())
    except Exception as error:  # a model other than a text encoder may raise anything
        problem = f"fails on a row of {longest} tokens ({type(error).__name__})"
        fix = f"lower model.text_encoder.max_length, or {fix}"
    finally:
        encoder.train(training)
    if problem:
        raise InputError(folder, f"a model of the family {family!r}, which {problem}", fix)


def _find_problem(encoder: TextEncoder) -> str:
    """Describe the first problem of the encoder, "" if there is none."""
    short, longer = _sample_tokens(encoder, _SHORT), _sample_tokens(encoder, _LONGER)
    full = _sample_tokens(encoder, encoder.tokenizer.max_length)
    expected = _pool(encoder, [short], [[0] * _SHORT], 1)
    padded = _pool(encoder, [short, full], [[0] * _SHORT, [1] * len(full)], 2)
    if _differ(padded[:1], expected):
        return "lets padding change its output"
    states = _hidden_states(encoder, [short])
    if len(states) != int(encoder.backbone.config.num_hidden_layers):
        return "does not return the states of every layer"
    padded_states = _hidden_states(encoder, [short, full])
    if any(_differ(b[:1, :_SHORT], a) for a, b in zip(states, padded_states, strict=True)):
        return "lets padding change the states of its layers"
    if encoder.config.scope == "utterance":
        row = _pool(encoder, [torch.cat([short, longer])], [[0] * _SHORT + [1] * _LONGER], 2)
        if _differ(row[:1], expected) or _differ(
            row[1:], _pool(encoder, [longer], [[0] * _LONGER], 1)
        ):
            return "lets utterances in one row change each other"
    return ""


def _sample_tokens(encoder: TextEncoder, length: int) -> Tensor:
    """Return one utterance with special tokens around it. Shape: -> [length]."""
    tokenizer = encoder.tokenizer
    special = {tokenizer.first_id, tokenizer.last_id, tokenizer.pad_id}
    words = [i for i in range(2 * _LONGER) if i not in special]
    inner = [words[i % len(words)] for i in range(length - 2)]
    return torch.tensor([tokenizer.first_id, *inner, tokenizer.last_id])


def _pool(encoder: TextEncoder, rows: list[Tensor], owners: list[list[int]], count: int) -> Tensor:
    """Encode rows; ``owners`` assigns each token to an utterance. Shape: -> [count, width]."""
    ids, mask = _stack(encoder, rows)
    into = pad_sequence([torch.tensor(row) for row in owners], True, padding_value=count)
    return encoder(ids, mask, into.to(ids.device), utterances=count)  # type: ignore[no-any-return]


def _hidden_states(encoder: TextEncoder, rows: list[Tensor]) -> tuple[Tensor, ...]:
    """Return the states of every layer. Shape: -> layers x [rows, L, width]."""
    ids, mask = _stack(encoder, rows)
    return encoder.read_layers(ids, mask, every_layer=True)


def _stack(encoder: TextEncoder, rows: list[Tensor]) -> tuple[Tensor, Tensor]:
    """Pad rows of tokens. Shape: -> ids [rows, L], mask [rows, L] bool."""
    device = next(encoder.parameters()).device
    ids = pad_sequence(rows, True, padding_value=encoder.tokenizer.pad_id)
    mask = pad_sequence([torch.ones(len(row), dtype=torch.bool) for row in rows], True)
    return ids.to(device), mask.to(device)


def _differ(actual: Tensor, expected: Tensor) -> bool:
    """Whether two tensors differ by more than rounding, or contain NaN."""
    gap = (actual - expected).abs().max()
    return not bool(gap <= _TOLERANCE * expected.abs().max())
