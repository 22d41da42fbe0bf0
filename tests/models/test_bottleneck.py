"""MBT with the bottleneck readout, compared with a loop over unpadded utterances."""

import json

import pytest
import torch
from dq_former_oracles import encoder_layer_oracle
from torch.nn import functional
from utterance_batches import batch_of, utterances

from mmerc.models.registry import load_model

SIZES = (2, 1, 3)
SETTINGS = {"readout": "bottleneck", "fusion_layers": 2, "attention_heads": 4, "dropout": 0.0}


@pytest.fixture
def model(make_sound_model):
    return make_sound_model("mbt", **SETTINGS)


@pytest.fixture
def batch(model):
    groups = utterances(SIZES, tokenizer=model.tokenizer, absent=0.25, unknown=0.2, seed=2)
    return batch_of(groups)


def utterance_oracle(model, streams, index):
    """Logits of the bottleneck and of each modality, for one utterance."""
    present = [m for m, stream in streams.items() if bool(stream.mask[index].any())]
    layers = len(model.layers)
    states = {
        m: model.maps[m](streams[m].last(layers + 1)[0][index][streams[m].mask[index]])
        for m in present
    }
    tokens = model.tokens
    for layer in model.layers:
        outputs = {
            m: torch.stack(encoder_layer_oracle(layer[m], torch.cat([states[m], tokens])))
            for m in present
        }
        states = {m: output[: -len(tokens)] for m, output in outputs.items()}
        updates = [output[-len(tokens) :] for output in outputs.values()]
        tokens = sum(updates) / max(len(updates), 1) if updates else torch.zeros_like(tokens)
    alone = {m: model.heads[m](state.mean(0)) for m, state in states.items()}
    return model.head(tokens.mean(0)), alone


@torch.no_grad()
def test_tokens_predict_from_fusion_outputs_alone(model, batch):
    model.eval()
    streams = model.streams(batch)
    output = model.read(streams)
    seen = set()
    for index in range(int(batch.mask.sum())):
        fused, alone = utterance_oracle(model, streams, index)
        torch.testing.assert_close(output.logits[index], fused, atol=1e-5, rtol=1e-4)
        for m, logits in alone.items():
            torch.testing.assert_close(output.alone[m][index], logits, atol=1e-5, rtol=1e-4)
        seen.add(len(alone))
    assert {1, 2} <= seen


def test_three_losses(model, batch):
    output = model.eval()(batch)
    labels = batch.labels[batch.mask]
    read = model.read(model.streams(batch))
    expected = functional.cross_entropy(read.logits, labels, ignore_index=-100)
    torch.testing.assert_close(output.losses["emotion"], expected)
    for m, logits in read.alone.items():
        own = labels.where(batch.present[m][batch.mask], torch.tensor(-100))
        expected = functional.cross_entropy(logits, own, ignore_index=-100)
        torch.testing.assert_close(output.losses[f"emotion_{m}"], expected)
    assert set(output.losses) == {"emotion", "emotion_text", "emotion_audio"}
    torch.testing.assert_close(output.loss, sum(output.losses.values()))


def test_every_fusion_weight_has_a_gradient(model, batch):
    """The encoder layers above the fusion have no gradient: fusion layers replace them."""
    model.train()(batch).loss.backward()
    without = [
        name
        for name, parameter in model.named_parameters()
        if not name.startswith("inputs.")
        and "key.bias" not in name
        and (parameter.grad is None or not parameter.grad.any())
    ]
    assert without == []


def test_models_with_the_former_readout_still_load(make_sound_model, batch, tmp_path):
    """Their configuration has no readout setting."""
    model = make_sound_model("mbt", fusion_layers=2, attention_heads=4).eval()
    model.save_pretrained(tmp_path / "model")
    path = tmp_path / "model" / "config.json"
    config = json.loads(path.read_text())
    del config["model"]["readout"]
    path.write_text(json.dumps(config))
    with torch.inference_mode():
        assert torch.equal(load_model(tmp_path / "model")(batch).logits, model(batch).logits)
