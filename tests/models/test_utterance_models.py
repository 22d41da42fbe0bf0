"""Properties of every model that reads tokens and waveforms."""

from dataclasses import replace

import pytest
import torch
from utterance_batches import batch_of, utterances

from mmerc.models.registry import _MODELS, load_model
from mmerc.prediction.averaging import predict_probabilities
from mmerc.prediction.effects import predict_with_effects
from mmerc.training.optimization import _parameter_groups
from mmerc.training.recipe import TrainingConfig

NAMES = [name for name, model in _MODELS.items() if model.unit == "utterance"]
SIZES = (2, 1, 3)


@pytest.fixture(params=NAMES)
def name(request):
    return request.param


@pytest.fixture
def model(name, make_sound_model):
    return make_sound_model(name)


@pytest.fixture
def groups(make_sound_model):
    tokenizer = make_sound_model("dq-former").tokenizer
    return utterances(SIZES, tokenizer=tokenizer, absent=0.25, unknown=0.2, seed=2)


@pytest.fixture
def batch(groups):
    return batch_of(groups)


def test_there_are_six_utterance_models():
    assert set(NAMES) == {"dq-former", "sa", "mult", "mbt", "text-only", "audio-only"}


def test_shapes(model, batch):
    output = model(batch)
    assert output.logits.shape == (3, 3, 4)
    assert output.logits.dtype == torch.float32
    assert output.loss.shape == ()
    for weights in output.explanation.weights.values():
        assert weights.shape == batch.mask.shape


def test_padding_changes_nothing(model, groups):
    model.eval()
    with torch.inference_mode():
        whole = model(batch_of(groups, tokens_to=50, samples_to=6000))
        for row, group in enumerate(groups):
            for i, item in enumerate(group):
                alone = model(batch_of([[item]]))
                torch.testing.assert_close(
                    whole.logits[row, i], alone.logits[0, 0], atol=1e-5, rtol=1e-4
                )
                for m, weights in alone.explanation.layer_weights.items():
                    actual = whole.explanation.layer_weights[m][row, i]
                    torch.testing.assert_close(actual, weights[0, 0], atol=1e-5, rtol=1e-4)


def test_declared_absent_input_is_not_read(model, batch):
    nowhere = {m: torch.zeros_like(present) for m, present in batch.present.items()}
    for m in model.config.modalities:
        hidden = batch.with_present({**batch.present, m: nowhere[m]})
        noise = replace(
            hidden,
            tokens=replace(batch.tokens, token_ids=batch.tokens.token_ids.flip(-1)),
            waveforms=replace(batch.waveforms, samples=batch.waveforms.samples * -5),
        )
        if m == "text":
            noise = replace(noise, waveforms=batch.waveforms)
        else:
            noise = replace(noise, tokens=batch.tokens)
        model.eval()
        assert torch.equal(model(hidden).logits, model(noise).logits)


@torch.no_grad()
@pytest.mark.parametrize("name", [name for name in NAMES if name != "audio-only"], indirect=True)
def test_states_cover_the_utterance_only(name, make_sound_model, groups):
    model = make_sound_model(name, history_states=False).eval()
    stream = model.streams(batch_of(groups, tokens_to=50))["text"]
    items = [item for group in groups for item in group]
    assert any(item["own"] > 3 for item in items)
    for item, states, mask in zip(items, stream.states[-1], stream.mask, strict=True):
        assert int(mask.sum()) == len(item["ids"]) - item["own"]
        if item["ids"]:
            ids = torch.tensor([item["ids"]])
            read = model.text_encoder.backbone(input_ids=ids).last_hidden_state[0]
            torch.testing.assert_close(states[mask], read[item["own"] :], atol=1e-5, rtol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize("history_states", [True, False])
def test_history_has_effect_even_if_its_states_are_hidden(history_states, make_sound_model):
    model = make_sound_model("text-only", history_states=history_states).eval()
    (group,) = utterances((3,), tokenizer=model.tokenizer, seed=1)
    said, end = group[2], model.tokenizer.base.last_id
    first = model.tokenizer.base.first_id
    alone = said | {"ids": [first, end, *said["ids"][said["own"] :]], "own": 2}
    assert said["own"] > 2
    assert not torch.allclose(model(batch_of([[said]])).logits, model(batch_of([[alone]])).logits)


def test_without_any_modality(model, batch):
    nothing = batch.with_present({m: torch.zeros_like(p) for m, p in batch.present.items()})
    output = model(nothing)
    output.loss.backward()
    assert torch.isfinite(output.logits).all()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)


def test_gradient_reaches_every_parameter(model, batch):
    model.train()(batch).loss.backward()
    without = [
        name
        for name, parameter in model.named_parameters()
        if parameter.requires_grad
        and (parameter.grad is None or not parameter.grad.any())
        and "key.bias" not in name  # cancels out in the softmax of attention
    ]
    assert without == []


def test_half_precision_is_close(model, batch):
    model.eval()  # without its dropout
    losses, gradients = [], []
    for half in (False, True):
        model.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            output = model(batch)
        assert output.logits.dtype == torch.float32
        output.loss.backward()
        losses.append(output.loss.detach())
        actual = [p.grad.flatten() for p in model.parameters() if p.grad is not None]
        gradients.append(torch.cat(actual))
    assert losses[0] != losses[1]
    torch.testing.assert_close(*losses, atol=0.03, rtol=0.02)
    assert torch.cosine_similarity(*gradients, dim=0) > 0.99


def test_save_and_load(model, batch, tmp_path):
    model.eval()
    model.save_pretrained(tmp_path / "model")
    loaded = load_model(tmp_path / "model")
    assert loaded.config == model.config
    with torch.inference_mode():
        assert torch.equal(loaded(batch).logits, model(batch).logits)


@pytest.mark.parametrize("tuning", ["lora", "frozen"])
def test_compact_weights_leave_the_encoders_out(tuning, make_sound_model, batch, tmp_path):
    model = make_sound_model("dq-former", encoder={"tuning": tuning}).eval()
    model.save_pretrained(tmp_path / "whole")
    model.save_pretrained(tmp_path / "model", compact=True)
    assert not (tmp_path / "model" / "speech_encoder").exists()
    sizes = [(tmp_path / f / "model.safetensors").stat().st_size for f in ("model", "whole")]
    assert sizes[0] < sizes[1] / 2
    with torch.inference_mode():
        actual = load_model(tmp_path / "model")(batch).logits
        torch.testing.assert_close(actual, model(batch).logits, atol=5e-3, rtol=1e-2)


def test_effects_of_leaving_out(make_sound_model, batch):
    model = make_sound_model("dq-former").eval()
    alone = batch_of([[item] for item in utterances((4,), tokenizer=model.tokenizer)[0]])
    with torch.inference_mode():
        whole = model(alone)
        effects = predict_with_effects(model, alone, model.weigh_modalities(alone))[1]
        silent = alone.with_present(
            {**alone.present, "audio": torch.zeros_like(alone.present["audio"])}
        )
        chosen = whole.logits.argmax(-1, keepdim=True)
        lost = whole.logits.softmax(-1) - model(silent).logits.softmax(-1)
        torch.testing.assert_close(effects.modalities["audio"], lost.gather(-1, chosen)[..., 0])
    assert effects.context.isnan().all()


@torch.inference_mode()
def test_audio_and_tokens_stay_with_their_utterance(model, groups, batch):
    """Conversations of several utterances: each is encoded again separately."""
    model.eval()
    whole = predict_probabilities(model, batch)
    actual = predict_with_effects(model, batch, model.weigh_modalities(batch))[1].context
    for row, group in enumerate(groups):
        for i, item in enumerate(group):
            if len(group) == 1:
                assert actual[row, i].isnan()
                continue
            chosen = whole[row, i].argmax()
            less = predict_probabilities(model, batch_of([[item]]))[0, 0, chosen]
            lost = whole[row, i, chosen] - less
            torch.testing.assert_close(actual[row, i], lost, atol=1e-5, rtol=1e-3)


def test_encoders_have_their_own_learning_rate(make_sound_model):
    model = make_sound_model("dq-former")
    settings = TrainingConfig(learning_rate=1e-3, encoder_learning_rate=1e-5, layer_decay=0.5)
    rates = {
        id(p): group["lr"] for group in _parameter_groups(model, settings) for p in group["params"]
    }
    assert all(rates[id(p)] == 1e-3 for p in model.layers.parameters())
    for encoder in (model.text_encoder, model.speech_encoder):
        actual = {rates[id(p)] for p in encoder.parameters() if p.requires_grad}
        assert actual == {1e-5 * 0.5**above for above in (0, 1, 2)}


@pytest.mark.parametrize("tuning", ["full", "lora"])
def test_checkpointing_changes_no_gradient(tuning, make_sound_model, batch):
    gradients = []
    for checkpointing in (False, True):
        model = make_sound_model(
            "dq-former", gradient_checkpointing=checkpointing, encoder={"tuning": tuning}
        )
        torch.manual_seed(1)
        model.train()(batch).loss.backward()
        gradients.append({n: p.grad for n, p in model.named_parameters() if p.grad is not None})
    assert gradients[0].keys() == gradients[1].keys()
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradients[1][name], gradient, atol=1e-6, rtol=1e-3)
