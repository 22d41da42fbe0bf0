"""Adapters are trained as by peft, without its needless conversions."""

import pytest
import torch
from peft.tuners.lora import LoraLayer
from transformers import BertConfig, BertModel

from mmerc.nn.encoder_tuning import apply_tuning


@pytest.fixture
def adapted():
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=50, hidden_size=32, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=64,
    )  # fmt: skip
    model = apply_tuning(BertModel(config, add_pooling_layer=False), "lora", rank=4).eval()
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter)
    return model


def adapters(model):
    return [layer for layer in model.modules() if isinstance(layer, LoraLayer)]


def train_step(model, ids):
    """Return the states, gradients, and number formats of the adapters' inputs."""
    formats = set()
    hooks = [
        layer.lora_A["default"].register_forward_pre_hook(
            lambda module, inputs: formats.add(inputs[0].dtype)
        )
        for layer in adapters(model)
    ]
    with torch.autocast("cpu", torch.bfloat16):
        states = model(input_ids=ids).last_hidden_state
    states.float().square().mean().backward()
    gradients = [p.grad.clone() for p in model.parameters() if p.grad is not None]
    model.zero_grad()
    for hook in hooks:
        hook.remove()
    return states, gradients, formats


def test_unconverted_inputs_give_the_same_gradients_bit_for_bit(adapted):
    ids = torch.randint(50, (3, 16))
    states, gradients, formats = train_step(adapted, ids)
    assert torch.bfloat16 in formats
    for layer in adapters(adapted):
        layer.cast_input_dtype_enabled = True
    expected_states, expected_gradients, expected_formats = train_step(adapted, ids)
    assert expected_formats == {torch.float32}
    assert torch.equal(states, expected_states)
    assert len(gradients) == len(expected_gradients) == 2 * len(adapters(adapted))
    assert all(map(torch.equal, gradients, expected_gradients))
