"""Text is encoded in few shapes, with the same result as in one batch."""

import copy
import random
from contextlib import contextmanager

import pytest
import torch

from mmerc.conversation import Conversation, Utterance
from mmerc.data.batches import batch_loader
from mmerc.models.inputs import encode_batch_text
from mmerc.models.registry import load_model
from mmerc.nn.padding import ROW_STEP
from mmerc.prediction import window_encoding
from mmerc.prediction.run_model import build_model_examples
from mmerc.prediction.short_rows import group_sizes
from mmerc.prediction.window_encoding import (
    _split_windows,
    encode_in_few_shapes,
    encode_in_parts,
)
from mmerc.serving.predictor import PendingRequest, _predict_together

WORDS = ("oh", "no", "not", "the", "cheese")


@pytest.fixture(scope="module")
def loaded(model):
    """Only one layer, which is enough to test shapes."""
    loaded = load_model(model)
    del loaded.text_encoder.backbone.encoder.layer[1:]
    return loaded


def talk(drawn, name, utterances):
    said = [" ".join(drawn.choices(WORDS, k=drawn.randint(1, 60))) for _ in range(utterances)]
    return Conversation(
        id=name,
        utterances=tuple(
            Utterance(id=str(i), speaker="Mara", text=text) for i, text in enumerate(said)
        ),
    )


@pytest.fixture(scope="module")
def talks():
    drawn = random.Random(0)
    return [talk(drawn, str(i), size) for i, size in enumerate((1, 18, 5, 23))]


@contextmanager
def threads(count):
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def batch_of(model, conversations):
    examples = build_model_examples(model, conversations, {})
    (batch,) = batch_loader(examples, tokenizer=model.tokenizer, size=99, shuffle=False)
    return batch


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("scope", ["conversation", "utterance", "surrounding"])
def test_vectors_equal_encoding_all_windows_together(loaded, talks, scope, count):
    model = copy.deepcopy(loaded).eval()
    encoder = model.text_encoder
    encoder.config = encoder.config.model_copy(update={"scope": scope})
    encoder.tokenizer.scope = scope
    few = talks[:2] if scope == "surrounding" else talks  # a window per utterance
    batch = batch_of(model, few)
    with torch.inference_mode(), threads(count):
        parts = [*_split_windows(batch.windows, encoder, none=batch.mask.numel())]
        assert len({part.token_ids.shape for part in parts}) > 1
        expected = encode_batch_text(batch, encoder)
        actual = encode_in_parts(batch.windows, encoder, batch.mask.shape)
        assert torch.get_num_threads() == count
    torch.testing.assert_close(actual, expected, atol=1e-5, rtol=1e-4)


def test_converted_weights_follow_changes(loaded, talks, monkeypatch):
    monkeypatch.setattr(window_encoding, "fast_bfloat16", lambda device: True)
    model = copy.deepcopy(loaded).eval()
    batch, encoder = batch_of(model, talks), model.text_encoder

    def encode():
        with torch.inference_mode():
            return encode_in_few_shapes(batch.windows, encoder, batch.mask.shape)

    before = encode()
    assert torch.equal(encode(), before)
    with torch.no_grad():
        encoder.backbone.encoder.layer[0].output.dense.weight.mul_(2)
    after = encode()
    with torch.inference_mode():
        expected = encode_batch_text(batch, encoder)
    torch.testing.assert_close(after, expected, atol=0.05, rtol=0.05)
    assert not torch.allclose(after, before, atol=0.05, rtol=0.05)


def test_requests_of_any_size_compile_few_kernels(loaded, monkeypatch):
    """The kernel of every bfloat16 shape stays in memory permanently; float32 kernels do not."""
    monkeypatch.setattr(window_encoding, "fast_bfloat16", lambda device: True)
    shapes, product = set(), torch.nn.functional.linear

    def see(inputs, weight, bias=None):
        if weight.dtype == torch.bfloat16:
            shapes.add(tuple(inputs.shape[:-1]))
        return product(inputs, weight, bias)

    monkeypatch.setattr(torch.nn.functional, "linear", see)
    drawn = random.Random(1)
    for turn in range(4):
        talks = [talk(drawn, f"{turn}-{i}", drawn.randint(1, 25)) for i in range(turn % 5 + 1)]
        _predict_together(loaded, [PendingRequest([item], {}, None) for item in talks])
    assert len(shapes) > 3
    assert all(rows in group_sizes(rows, length) for rows, length in shapes)
    assert all(length % ROW_STEP == 0 for _, length in shapes)
