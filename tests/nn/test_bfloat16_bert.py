"""The BERT for prediction computes what ``Bert`` computes under autocast."""

import pytest
import torch

from mmerc.nn.bert import Bert, read_bert_settings
from mmerc.nn.bfloat16_bert import Bfloat16Bert
from mmerc.nn.encoder_sources import resolve_encoder


@pytest.fixture(scope="module")
def bert():
    folder = resolve_encoder("minilm-l6")
    return Bert.load(folder, read_bert_settings(folder, attention_dropout=0.0)).eval()


def mask_of(kind, rows, length):
    if kind == "all":
        return torch.ones(rows, length, dtype=torch.bool)
    if kind == "padded":
        return torch.arange(length) < torch.tensor([[length], [length // 2], [5]])
    owner = torch.arange(length) // 13
    return (owner[:, None] == owner).expand(rows, 1, -1, -1)


@pytest.mark.parametrize("length", [32, 64, 96])
@pytest.mark.parametrize("kind", ["all", "padded", "utterances"])
def test_states_are_as_accurate_as_autocast(bert, kind, length):
    torch.manual_seed(length)
    ids, mask = torch.randint(1000, 20000, (3, length)), mask_of(kind, 3, length)
    positions = torch.arange(length) % 13 if kind == "utterances" else None
    with torch.inference_mode():
        exact, fast = (
            model(ids, mask, positions, output_hidden_states=True)
            for model in (bert, Bfloat16Bert(bert))
        )
        with torch.autocast("cpu", torch.bfloat16):
            automatic = bert(ids, mask, positions, output_hidden_states=True)
    visible = mask if mask.ndim == 2 else torch.ones(3, length, dtype=torch.bool)
    assert fast.last_hidden_state is fast.hidden_states[-1]
    for layer in range(len(bert.encoder.layer) + 1):
        states = [m.hidden_states[layer][visible] for m in (exact, fast, automatic)]
        distance, usual = ((other - states[0]).abs().mean() for other in states[1:])
        assert states[1].dtype == torch.float32
        assert distance <= 1.3 * usual
