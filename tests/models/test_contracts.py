"""Properties of every registered model."""

from dataclasses import fields, replace

import pytest
import torch

from mmerc.conversation import MODALITIES
from mmerc.data.batch import ConversationBatch
from mmerc.data.batches import _Collate, feature_statistics
from mmerc.errors import MmercError
from mmerc.labels import LabelSet
from mmerc.models.registry import _MODELS, load_model, model_class
from mmerc.models.training_data import TrainedOn, TrainingStatistics
from mmerc.nn.text_encoder import TextEncoderConfig
from mmerc.prediction.run_model import run_model

VECTORS = [(name, False) for name in _MODELS]
TOKENS = [(name, True) for name in _MODELS if name != "majority"]  # reads no input
SIZES = (3, 1, 6, 4)


@pytest.fixture(params=VECTORS + TOKENS, ids=lambda case: case[0] + "-tokens" * case[1])
def case(request):
    return request.param


@pytest.fixture
def model(case, make_model):
    name, tokens = case
    return make_model(name, tokens=tokens)


def tokenizer_of(model):
    return model.tokenizer


def statistics_of(model, examples):
    labels = torch.cat([example.labels for example in examples])
    return TrainingStatistics(
        features=feature_statistics(examples),
        label_counts=torch.bincount(labels[labels >= 0], minlength=len(model.labels)),
    )


@pytest.fixture
def examples(model, make_examples):
    return make_examples(SIZES, absent=0.25, unknown=0.2, tokenizer=tokenizer_of(model))


@pytest.fixture
def batch(model, examples):
    return _Collate(tokenizer_of(model))(examples)


def explained(output):
    """Every tensor of the explanation, by name."""
    actual = {f"weight of {m}": weight for m, weight in output.explanation.weights.items()}
    for field in fields(output.explanation):
        value = getattr(output.explanation, field.name)
        if isinstance(value, torch.Tensor):
            actual[field.name] = value
    return actual


def assert_same_output(one, other):
    torch.testing.assert_close(one.logits, other.logits, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(one.loss, other.loss, atol=1e-5, rtol=1e-4)
    first, second = explained(one), explained(other)
    assert first.keys() == second.keys()
    for name in first:
        torch.testing.assert_close(first[name], second[name], atol=1e-5, rtol=1e-4)


def test_shapes(model, batch):
    output = model(batch)
    assert output.logits.shape == (len(SIZES), max(SIZES), len(model.labels))
    assert output.logits.dtype == torch.float32
    assert output.loss.shape == ()
    assert output.losses
    assert all(loss.shape == () for loss in output.losses.values())
    shapes = {"attention": (len(SIZES), max(SIZES), max(SIZES))}
    for name, value in explained(output).items():
        assert value.shape == shapes.get(name, batch.mask.shape)
    assert set(output.explanation.weights) <= set(model.config.modalities)


def test_padded_batch_equals_its_conversations_one_by_one(model, examples, batch):
    model.fit(statistics_of(model, examples))
    model.eval()
    whole = model(batch)
    for row, example in enumerate(examples):
        alone = model(_Collate(tokenizer_of(model))([example]))
        size = len(example)
        torch.testing.assert_close(whole.logits[row, :size], alone.logits[0], atol=1e-5, rtol=1e-4)
        one = explained(alone)
        for name, value in explained(whole).items():
            own = value[row, :size, :size] if name == "attention" else value[row, :size]
            torch.testing.assert_close(own, one[name][0], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("filler", [1e6, torch.nan, torch.inf])
def test_absent_vectors_are_never_read(model, examples, batch, filler):
    model.fit(statistics_of(model, examples))
    filled = {
        m: features.masked_fill(~batch.present[m].unsqueeze(-1), filler)
        for m, features in batch.features.items()
    }
    model.eval()
    expected, actual = model(batch), model(replace(batch, features=filled))
    assert_same_output(expected, actual)
    model.zero_grad()
    actual.loss.backward()
    gradients = [p.grad for p in model.parameters() if p.grad is not None]
    assert all(torch.isfinite(gradient).all() for gradient in gradients)


def test_nothing_is_present_in_padding(model, batch):
    everywhere = {m: present | ~batch.mask for m, present in batch.present.items()}
    model.eval()
    expected, actual = model(batch), model(batch.with_present(everywhere))
    torch.testing.assert_close(actual.logits[batch.mask], expected.logits[batch.mask])
    torch.testing.assert_close(actual.loss, expected.loss)


@pytest.mark.parametrize("name", ["late-fusion", "bc-lstm"])
def test_head_of_an_absent_modality_has_no_loss(name, make_model, make_batch):
    model, batch = make_model(name).eval(), make_batch(SIZES)
    whole = model(batch).losses
    nowhere = batch.present | {"audio": torch.zeros_like(batch.mask)}
    losses = model(batch.with_present(nowhere)).losses
    assert float(losses["emotion_audio"].detach()) == 0
    assert torch.equal(losses["emotion_text"], whole["emotion_text"])
    assert (whole["emotion_audio"] > 0).item()


def test_utterances_without_any_modality(model, batch):
    nothing = {m: torch.zeros_like(present) for m, present in batch.present.items()}
    some = {m: present.clone() for m, present in batch.present.items()}
    for present in some.values():
        present[:, 0] = False
    for present in (nothing, some):
        model.zero_grad()
        output = model(batch.with_present(present))
        output.loss.backward()
        assert torch.isfinite(output.logits).all()
        assert torch.isfinite(output.loss)
        assert all(torch.isfinite(value).all() for value in explained(output).values())
        gradients = [p.grad for p in model.parameters() if p.grad is not None]
        assert all(torch.isfinite(gradient).all() for gradient in gradients)


def test_losses_are_finite_and_a_gradient_reaches_every_parameter(model, batch):
    output = model.train()(batch)
    for name, loss in output.losses.items():
        assert torch.isfinite(loss), name
        assert float(loss.detach()) >= 0, name
    assert torch.isfinite(output.loss)
    output.loss.backward()
    without = [
        name
        for name, parameter in model.named_parameters()
        if parameter.requires_grad
        and (parameter.grad is None or not (parameter.grad != 0).any())
        and "key.bias" not in name  # cancels out in the softmax of attention
        and not reads_one_state(name)
    ]
    assert without == []
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)


def reads_one_state(name):
    """Whether it selects among the states of a vector, which has only one (DQ-Former, MulT)."""
    crosses = name.startswith(("crossing.", "alone.")) or ".cross_attention." in name
    return crosses and (".query." in name or ".key." in name)


def test_overfits_eight_conversations(case, model, make_examples):
    tokenizer = tokenizer_of(model)
    examples = make_examples([3, 5, 2, 4, 1, 3, 4, 2], seed=4, tokenizer=tokenizer)
    model.fit(statistics_of(model, examples))
    batch = _Collate(tokenizer)(examples)
    encoder = [] if tokenizer is None else list(model.text_encoder.parameters())
    rest = [p for p in model.parameters() if all(p is not other for other in encoder)]
    optimizer = torch.optim.AdamW([{"params": rest, "lr": 1e-2}, {"params": encoder, "lr": 3e-3}])
    for _ in range(8):
        for _ in range(10):
            optimizer.zero_grad()
            model.train()(batch).loss.backward()
            optimizer.step()
        predicted = model.eval()(batch).logits.argmax(-1)
        if fits(predicted, batch.labels, most_frequent=case[0] == "majority"):
            return
    pytest.fail("the labels of eight conversations are not learnt in 80 steps")


def fits(predicted, labels, *, most_frequent):
    """Whether nine labels in ten are predicted, or always the most frequent one."""
    known = labels >= 0
    if most_frequent:
        return set(predicted[known].tolist()) == {int(torch.bincount(labels[known]).argmax())}
    return float((predicted == labels)[known].float().mean()) > 0.9


def test_save_and_load(model, examples, batch, tmp_path):
    model.fit(statistics_of(model, examples))
    model.train()(batch)  # gives prototypes and similar state an effect
    model.eval()
    trained_on = TrainedOn(corpus="own", conversations=frozenset({"b", "a"}))
    model.save_pretrained(tmp_path / "model", trained_on=trained_on)
    loaded = load_model(tmp_path / "model")
    assert type(loaded) is type(model)
    assert not loaded.training
    assert loaded.config == model.config
    assert loaded.labels == model.labels
    assert TrainedOn.read(tmp_path / "model") == trained_on
    state = loaded.state_dict()
    assert state.keys() == model.state_dict().keys()
    assert all(torch.equal(state[name], value) for name, value in model.state_dict().items())
    with torch.inference_mode():
        one, other = model(batch), loaded(batch)
    assert torch.equal(one.logits, other.logits)
    assert torch.equal(one.loss, other.loss)
    model.save_pretrained(tmp_path / "model")  # replaces the existing values
    assert TrainedOn.read(tmp_path / "model").conversations == frozenset()


def test_same_seed_same_weights(case, make_model):
    name, tokens = case
    one, same, other = (make_model(name, tokens=tokens, seed=seed) for seed in (3, 3, 4))
    states = [model.state_dict() for model in (one, same, other)]
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])
    if name != "majority":
        assert any(not torch.equal(states[0][key], states[2][key]) for key in states[0])


@pytest.mark.parametrize("speakers", [1, 30])
def test_any_number_of_speakers(model, make_batch, speakers):
    batch = make_batch([40, 2], speakers=speakers, tokenizer=tokenizer_of(model))
    assert int(batch.speakers.max()) >= min(speakers - 1, 20)
    output = model(batch)
    assert torch.isfinite(output.logits).all()
    assert torch.isfinite(output.loss)


def test_batch_without_labels(model, batch):
    unknown = replace(batch, labels=torch.full_like(batch.labels, -100))
    output = model.train()(unknown)
    assert torch.isfinite(output.loss)
    assert all(torch.isfinite(loss) for loss in output.losses.values())
    output.loss.backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)
    assert torch.equal(model.eval()(unknown).logits, model(batch).logits)


def test_vectors_are_standardised_with_statistics_of_training(make_model, make_examples):
    model = make_model("concatenation", class_balance=0.99)
    training = make_examples((5, 8, 2), absent=0.2, seed=1)
    statistics = statistics_of(model, training)
    model.fit(statistics)
    batch = _Collate(None)(make_examples(SIZES, absent=0.3, seed=2))
    vectors, present = model.inputs(batch)
    for m in MODALITIES:
        mean, deviation = statistics.features[m]
        assert torch.equal(present[m], batch.present[m])
        for b, i in torch.cartesian_prod(torch.arange(len(SIZES)), torch.arange(max(SIZES))):
            expected = (batch.features[m][b, i] - mean) / deviation * batch.present[m][b, i]
            torch.testing.assert_close(vectors[m][b, i], expected)
    rare = statistics.label_counts.argmin()
    assert model.class_weights.argmax() == rare


@pytest.mark.parametrize("name", _MODELS)
def test_labels_do_not_affect_evaluation(name, make_model, make_batch):
    model = make_model(name).eval()
    batch = make_batch(SIZES)
    other = replace(batch, labels=(batch.labels + 1).clamp(min=0) % 4)
    assert torch.equal(model(batch).logits, model(other).logits)


@pytest.mark.parametrize("name", _MODELS)
def test_label_order_survives(name, make_model, tmp_path):
    labels = LabelSet("backwards", ("z", "m", "a"), ("#000001", "#000002", "#000003"))
    make_model(name, labels=labels).save_pretrained(tmp_path / "model")
    loaded = load_model(tmp_path / "model").labels
    assert (loaded.name, loaded.names, loaded.colours) == (
        labels.name,
        labels.names,
        labels.colours,
    )


@pytest.mark.parametrize("name", _MODELS)
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_both_reductions(name, reduction, make_model, make_batch):
    """The same conversations twice: means are unchanged, sums double."""
    settings = {"reduction": reduction, "dropout": 0.0}
    known = model_class(name).config_class.model_fields
    model = make_model(name, **{key: settings[key] for key in settings if key in known}).eval()
    batch = make_batch(SIZES, absent=0.2)
    twice = ConversationBatch(
        features={m: torch.cat([x, x]) for m, x in batch.features.items()},
        present={m: torch.cat([x, x]) for m, x in batch.present.items()},
        **{
            field: torch.cat([getattr(batch, field)] * 2)
            for field in ("mask", "speakers", "labels", "indices")
        },
    )
    factor = 2 if reduction == "sum" else 1
    torch.testing.assert_close(model(twice).loss, factor * model(batch).loss)


def test_majority_baseline_needs_no_modality(make_model, make_batch):
    model = make_model("majority", widths={})
    assert not model.inputs.output_widths
    assert model(make_batch([2, 5])).logits.shape[:2] == (2, 5)


@pytest.mark.parametrize("name", [n for n in _MODELS if n != "majority"])
def test_missing_modality_of_the_corpus_is_refused(name, make_model):
    if "audio" in model_class(name).config_class().modalities:
        with pytest.raises(MmercError, match="no audio vectors"):
            make_model(name, widths={"text": 12, "video": 5})
    else:
        with pytest.raises(MmercError, match="no text vectors"):
            make_model(name, widths={"audio": 7})


def test_modalities_have_one_order(make_model):
    model = make_model("concatenation", modalities=("video", "text"))
    assert model.config.modalities == ("text", "video")
    assert list(model.inputs.output_widths) == ["text", "video"]
    assert set(model.config.modalities) < set(MODALITIES)


def test_text_encoder_without_text_is_not_trained(make_model, tiny_encoder):
    text = TextEncoderConfig(name=str(tiny_encoder))
    model = make_model("concatenation", modalities=("audio",), text_encoder=text)
    assert model.text_encoder is None


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no graphics card")
def test_results_are_equal_on_a_gpu(model, examples, batch):
    model.fit(statistics_of(model, examples))
    model.eval()
    expected, answered = model(batch), run_model(model, examples, effects=True)
    model.cuda()
    actual = model(batch.to("cuda"))
    torch.testing.assert_close(actual.logits.cpu(), expected.logits, atol=1e-4, rtol=1e-3)
    torch.testing.assert_close(actual.loss.cpu(), expected.loss, atol=1e-3, rtol=1e-3)
    existing = run_model(model, examples, effects=True)
    torch.testing.assert_close(existing.probabilities, answered.probabilities, atol=1e-4, rtol=1e-3)
    for name, effect in answered.effects.items():
        torch.testing.assert_close(
            existing.effects[name], effect, atol=1e-4, rtol=1e-3, equal_nan=True
        )
    model.train()
    model.start_epoch()
    model(batch.to("cuda")).loss.backward()
    gradients = [p.grad for p in model.parameters() if p.grad is not None]
    assert gradients
    assert all(torch.isfinite(gradient).all() for gradient in gradients)
