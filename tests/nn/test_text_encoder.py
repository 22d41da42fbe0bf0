"""The text encoder, compared with Eq. 1: the mean of each utterance's token states."""

from itertools import chain

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from mmerc.data.text_windows import build_windows
from mmerc.errors import InputError
from mmerc.nn.text_encoder import TextEncoder, TextEncoderConfig, _block_mask, _mean_by_index

SAID = [["yes no", "why", "they went red xy"], ["never"], ["saw blue", "", "you came well"]]


def read(encoder, conversations):
    """Vectors [B, N, width] of conversations of texts."""
    tokens = [encoder.tokenizer.encode(texts, limit=20) for texts in conversations]
    padded = max(map(len, tokens))
    windows = build_windows(tokens, encoder.tokenizer, padded)
    flat = encoder(
        windows.token_ids,
        windows.attention_mask,
        windows.pool_into,
        utterances=len(tokens) * padded,
    )
    return flat.unflatten(0, (len(tokens), padded))


def encoder_of(folder, **settings):
    torch.manual_seed(0)
    return TextEncoder.from_source(TextEncoderConfig(name=str(folder), **settings))


@given(
    index=st.lists(st.integers(0, 5), min_size=1, max_size=20),
    width=st.integers(1, 4),
    seed=st.integers(0, 99),
)
def test_mean_by_index(index, width, seed):
    states = torch.randn(len(index), width, generator=torch.Generator().manual_seed(seed))
    actual = _mean_by_index(states, torch.tensor(index), 5)
    for group in range(5):
        own = [states[i] for i in range(len(index)) if index[i] == group]
        expected = sum(own) / len(own) if own else torch.zeros(width)
        torch.testing.assert_close(actual[group], expected)


def test_mean_of_many_half_precision_states_is_exact():
    states = torch.full((3000, 2), 1.001, dtype=torch.bfloat16)
    actual = _mean_by_index(states, torch.zeros(3000, dtype=torch.long), 1)
    assert actual.dtype == torch.float32
    torch.testing.assert_close(actual[0], states[0].float())


def test_batch_equals_conversations_averaged_by_hand(tiny_encoder):
    """[CLS] w11 .. w1l w21 .. [SEP] of one conversation, no padding, no windows."""
    encoder = encoder_of(tiny_encoder).eval()
    actual = read(encoder, SAID)
    for row, texts in enumerate(SAID):
        ids, spans = [encoder.tokenizer.first_id], []
        for tokens in encoder.tokenizer.encode(texts, limit=20):
            spans.append((len(ids), len(ids) + len(tokens)))
            ids += tokens
        ids.append(encoder.tokenizer.last_id)
        states = encoder.backbone(input_ids=torch.tensor([ids])).last_hidden_state[0]
        for i, (start, end) in enumerate(spans):
            expected = states[start:end].sum(0) / max(end - start, 1)
            torch.testing.assert_close(actual[row, i], expected, atol=1e-5, rtol=1e-4)


def test_isolated_utterances_equal_single_calls(tiny_encoder):
    """Mean over [CLS] words [SEP], whatever else is in the row."""
    encoder = encoder_of(tiny_encoder, scope="utterance").eval()
    actual = read(encoder, SAID)
    for row, texts in enumerate(SAID):
        for i, tokens in enumerate(encoder.tokenizer.encode(texts, limit=20)):
            ids = [encoder.tokenizer.first_id, *tokens, encoder.tokenizer.last_id]
            states = encoder.backbone(input_ids=torch.tensor([ids])).last_hidden_state[0]
            expected = states.mean(0) if tokens else torch.zeros(encoder.width)
            torch.testing.assert_close(actual[row, i], expected, atol=1e-5, rtol=1e-4)


def test_surroundings_mode_equals_first_token_of_single_calls(tiny_encoder):
    """[CLS] what precedes [SEP] utterance [SEP] what follows [SEP]: the state of [CLS]."""
    encoder = encoder_of(tiny_encoder, scope="surrounding").eval()
    actual = read(encoder, SAID)
    first, last = encoder.tokenizer.first_id, encoder.tokenizer.last_id
    for row, texts in enumerate(SAID):
        said = encoder.tokenizer.encode(texts, limit=20)
        for i, tokens in enumerate(said):
            before, after = chain.from_iterable(said[:i]), chain.from_iterable(said[i + 1 :])
            ids = [first, *before, last, *tokens, last, *after, last]
            states = encoder.backbone(input_ids=torch.tensor([ids])).last_hidden_state[0]
            expected = states[0] if tokens else torch.zeros(encoder.width)
            torch.testing.assert_close(actual[row, i], expected, atol=1e-5, rtol=1e-4)


def test_positions_restart_with_every_utterance():
    same, places = _block_mask(torch.tensor([[4, 4, 4, 0, 0, 9]]))
    assert places.tolist() == [[0, 1, 2, 0, 1, 0]]
    assert same[0, 0, 0].tolist() == [True, True, True, False, False, False]
    assert same[0, 0, 4].tolist() == [False, False, False, True, True, False]


@pytest.mark.parametrize("scope", ["conversation", "utterance", "surrounding"])
def test_batch_of_one_empty_text(tiny_encoder, scope):
    encoder = encoder_of(tiny_encoder, scope=scope).eval()
    assert (read(encoder, [["", ""]]) == 0).all()


def test_empty_text_is_zeros_and_affects_no_other_text(tiny_encoder):
    encoder = encoder_of(tiny_encoder).eval()
    actual = read(encoder, [["yes no", "", "saw"]])[0]
    assert (actual[1] == 0).all()
    without = read(encoder, [["yes no", "saw"]])[0]
    torch.testing.assert_close(actual[[0, 2]], without)


def test_long_conversation_is_read_in_windows(tiny_encoder):
    """30 utterances of four tokens do not fit 62 places; each is pooled from some window."""
    encoder = encoder_of(tiny_encoder).eval()
    assert encoder.tokenizer.max_length == 64
    actual = read(encoder, [["yes no why well"] * 30])[0]
    assert (actual.abs().sum(-1) > 0).all()


def gradients(encoder):
    encoder.train()
    read(encoder, SAID).square().sum().backward()
    return {
        name: parameter.grad is not None and bool((parameter.grad != 0).any())
        for name, parameter in encoder.named_parameters()
    }


def test_wrong_kind_of_encoder_is_refused(tiny_speech_encoder):
    with pytest.raises(InputError, match="of the kind 'whisper', not a text encoder; use BERT, Ro"):
        TextEncoder.from_source(TextEncoderConfig(name=str(tiny_speech_encoder)))


@pytest.mark.parametrize("weights", [None, b"", b"\x00" * 40])
def test_encoder_without_weights_is_refused(tiny_encoder, tmp_path, weights):
    for file in tiny_encoder.iterdir():
        if file.name != "model.safetensors":
            (tmp_path / file.name).write_bytes(file.read_bytes())
    if weights is not None:
        (tmp_path / "model.safetensors").write_bytes(weights)
    with pytest.raises(InputError, match="no readable weights; give a folder with"):
        TextEncoder.from_source(TextEncoderConfig(name=str(tmp_path)))


def test_full_tuning_trains_everything(tiny_encoder):
    actual = gradients(encoder_of(tiny_encoder, tuning="full"))
    # A bias of all keys cancels out in the softmax: its gradient is rounding error or nothing.
    assert not [name for name, present in actual.items() if not present and "key.bias" not in name]
    assert not [name for name in actual if "pooler" in name]


def test_lora_trains_only_the_adapters(tiny_encoder):
    encoder = encoder_of(tiny_encoder, tuning="lora", lora_rank=3)
    trainable = {name for name, p in encoder.named_parameters() if p.requires_grad}
    assert trainable
    assert all("lora_" in name for name in trainable)
    actual = gradients(encoder)
    # lora_B starts at zero, so that at the first step lora_A has a gradient of zero.
    assert {name for name, present in actual.items() if present} == {
        n for n in actual if "lora_B" in n
    }
    assert {p.shape[0] for n, p in encoder.named_parameters() if "lora_A" in n} == {3}


def test_frozen_trains_nothing(tiny_encoder):
    encoder = encoder_of(tiny_encoder, tuning="frozen").train()
    assert not [name for name, p in encoder.named_parameters() if p.requires_grad]
    assert not read(encoder, SAID).requires_grad


@pytest.mark.parametrize("tuning", ["full", "lora", "frozen"])
def test_save_and_rebuild(tiny_encoder, tmp_path, tuning):
    config = TextEncoderConfig(name=str(tiny_encoder), tuning=tuning, attention_dropout=0.1)
    saved = TextEncoder.from_source(config).eval()
    with torch.no_grad():
        for parameter in saved.parameters():  # so that adapters have an effect
            parameter.add_(0.01 * torch.randn_like(parameter))
    saved.save(tmp_path / "encoder")
    assert str(tiny_encoder) not in (tmp_path / "encoder" / "config.json").read_text()
    loaded = TextEncoder.from_folder(tmp_path / "encoder", config).eval()
    loaded.load_state_dict(saved.state_dict())
    with torch.no_grad():
        assert torch.equal(read(loaded, SAID), read(saved, SAID))


@pytest.mark.parametrize("attention", [0.0, 0.1])
def test_dropout(tiny_encoder, attention):
    """Attention dropout is off by default; the model's other dropout (0.1) stays."""
    encoder = encoder_of(tiny_encoder, dropout=0.3, attention_dropout=attention)
    rates = {
        name: module.p for name, module in encoder.named_modules() if isinstance(module, nn.Dropout)
    }
    within = {name: rate for name, rate in rates.items() if "attention.self" in name}
    assert encoder.backbone.config.attention_probs_dropout_prob == attention
    assert set(within.values()) <= {attention}
    assert rates.pop("dropout") == 0.3
    others = {rate for name, rate in rates.items() if name not in within}
    assert others == {0.1}


def test_dropout_after_the_encoder_is_for_training_only(tiny_encoder):
    encoder = encoder_of(tiny_encoder, dropout=0.5)
    torch.manual_seed(0)
    assert 0.3 < float((read(encoder.train(), SAID)[0] == 0).float().mean()) < 0.7
    assert float((read(encoder.eval(), SAID)[0] == 0).float().mean()) == 0


@pytest.mark.parametrize(("asked", "length"), [(16, 16), (64, 64), (512, 64)])
def test_length_is_limited_by_request_and_model(tiny_encoder, asked, length):
    assert encoder_of(tiny_encoder, max_length=asked).tokenizer.max_length == length


def test_token_limit_of_an_utterance(tiny_encoder):
    tokenizer = encoder_of(tiny_encoder).tokenizer
    said = tokenizer.encode(["yes " * 5000, "no", "", "   "], limit=9)
    assert [len(ids) for ids in said] == [9, 1, 0, 0]
    special = {tokenizer.first_id, tokenizer.last_id, tokenizer.pad_id}
    assert not special & {token for ids in said for token in ids}
    assert tokenizer.encode([], limit=9) == []
