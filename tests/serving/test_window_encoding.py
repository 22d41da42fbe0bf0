"""Text is encoded in few shapes, with the same result as all at once."""

import random

import pytest
import torch

from mmerc.conversation import Conversation, Utterance
from mmerc.data.batch import TextWindows
from mmerc.data.batches import batch_loader
from mmerc.models.inputs import encode_batch_text
from mmerc.models.registry import load_model
from mmerc.nn.padding import ROW_STEP
from mmerc.prediction import window_encoding
from mmerc.prediction.run_model import build_model_examples
from mmerc.prediction.window_encoding import _WINDOW_COUNTS, _split_windows, encode_in_few_shapes
from mmerc.serving.predictor import PendingRequest, _predict_together

WORDS = ("oh", "no", "not", "the", "cheese")


@pytest.fixture(scope="module")
def loaded(model):
    """With one of its layers, which is enough for shapes."""
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


@pytest.mark.parametrize("count", [*range(1, 18), 31])
def test_no_window_is_lost_or_moved(count):
    rows = torch.arange(count)[:, None].expand(count, 3)
    actual = list(
        _split_windows(TextWindows(token_ids=rows, attention_mask=rows > 0, pool_into=rows + 1))
    )
    assert torch.equal(torch.cat([part.token_ids for part in actual]), rows)
    assert torch.equal(torch.cat([part.attention_mask for part in actual]), rows > 0)
    assert torch.equal(torch.cat([part.pool_into for part in actual]), rows + 1)
    assert {len(part.token_ids) for part in actual} <= set(_WINDOW_COUNTS)


def test_vectors_are_those_of_all_windows_at_once(loaded, monkeypatch):
    monkeypatch.setattr(window_encoding, "fast_bfloat16", lambda device: False)
    drawn = random.Random(0)
    talks = [talk(drawn, str(i), size) for i, size in enumerate((1, 30, 7, 45))]
    loaded.eval()
    examples = build_model_examples(loaded, talks, {})
    (batch,) = batch_loader(examples, tokenizer=loaded.tokenizer, size=4, shuffle=False)
    assert len(batch.windows.token_ids) not in _WINDOW_COUNTS
    with torch.inference_mode():
        expected = encode_batch_text(batch, loaded.text_encoder)
        actual = encode_in_few_shapes(batch.windows, loaded.text_encoder, batch.mask.shape)
    torch.testing.assert_close(actual, expected, atol=1e-5, rtol=1e-4)


def test_requests_of_any_size_compile_few_kernels(loaded, monkeypatch):
    """A bfloat16 product of every shape stays in memory for good; float32 ones do not."""
    monkeypatch.setattr(window_encoding, "fast_bfloat16", lambda device: True)
    shapes = set()

    def see(module, inputs):
        if torch.is_autocast_enabled("cpu"):
            shapes.add(tuple(inputs[0].shape[:-1]))

    seen = [part for part in loaded.modules() if isinstance(part, torch.nn.Linear)]
    hooks = [part.register_forward_pre_hook(see) for part in seen]
    drawn = random.Random(1)
    for turn in range(4):
        talks = [talk(drawn, f"{turn}-{i}", drawn.randint(1, 25)) for i in range(turn % 5 + 1)]
        _predict_together(loaded, [PendingRequest([item], {}, None) for item in talks])
    for hook in hooks:
        hook.remove()
    assert len(shapes) > 3
    assert all(rows in _WINDOW_COUNTS and not length % ROW_STEP for rows, length in shapes)
