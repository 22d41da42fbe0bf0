"""Effects of leaving out a modality or the context, compared with leaving it out by hand."""

from dataclasses import replace

import pytest
import torch

from mmerc.conversation import MODALITIES
from mmerc.data.batches import _Collate
from mmerc.models.registry import _MODELS
from mmerc.prediction.effects import predict_with_effects, with_encoded_text
from mmerc.prediction.run_model import run_model

SIZES = (5, 1, 3)


def alone(example, row):
    """One utterance of an example as a separate conversation."""
    part = slice(row, row + 1)
    return replace(
        example,
        index=0,
        features={m: vectors[part] for m, vectors in example.features.items()},
        present={m: existing[part] for m, existing in example.present.items()},
        speakers=example.speakers[part] * 0,
        labels=example.labels[part],
        token_ids=None if example.token_ids is None else example.token_ids[part],
    )


def without(example, modality):
    nothing = torch.zeros_like(example.present[modality])
    return replace(example, present={**example.present, modality: nothing})


@torch.inference_mode()
def predict_probabilities(model, example):
    tokenizer = model.text_encoder.tokenizer if model.text_encoder is not None else None
    return (model(_Collate(tokenizer)([example])).logits[0] / model.temperature).softmax(-1)


@pytest.mark.parametrize("name", [n for n in _MODELS if _MODELS[n].kind == "system"] + ["bc-lstm"])
def test_effect_is_the_loss_from_leaving_a_modality_out(make_model, make_examples, name):
    model = make_model(name).eval()
    model.temperature = 1.5
    examples = make_examples(SIZES, absent=0.3, seed=3)
    actual = run_model(model, examples, effects=True)
    used = tuple(model.inputs.output_widths)
    start = 0
    for example in examples:
        whole = predict_probabilities(model, example)
        chosen = whole.argmax(-1)
        rows = range(len(example))
        for m in used:
            less = predict_probabilities(model, without(example, m))
            for row in rows:
                effect = actual.effects[m][start + row]
                others = any(example.present[n][row] for n in used if n != m)
                if not (example.present[m][row] and others):
                    assert effect.isnan()
                    continue
                lost = whole[row, chosen[row]] - less[row, chosen[row]]
                torch.testing.assert_close(effect, lost, atol=1e-5, rtol=1e-3)
        for row in rows:
            effect = actual.context_effect[start + row]
            if len(example) == 1:
                assert effect.isnan()
                continue
            lost = (
                whole[row, chosen[row]]
                - predict_probabilities(model, alone(example, row))[0, chosen[row]]
            )
            torch.testing.assert_close(effect, lost, atol=1e-5, rtol=1e-3)
        start += len(example)


def test_text_is_encoded_once_with_equal_results(make_model, make_examples):
    model = make_model("df-erc", tokens=True).eval()
    tokenizer = model.text_encoder.tokenizer
    examples = make_examples(SIZES, absent=0.2, tokenizer=tokenizer)
    batch = _Collate(tokenizer)(examples)
    with torch.inference_mode():
        read = with_encoded_text(model, batch)
        assert read.windows is None
        torch.testing.assert_close(model(read).logits, model(batch).logits)
    plain, full = run_model(model, examples), run_model(model, examples, effects=True)
    torch.testing.assert_close(plain.probabilities, full.probabilities)
    assert plain.effects == {} and plain.context_effect.isnan().all()
    assert set(full.effects) == set(MODALITIES)


def test_text_only_model_has_no_effects(make_model, make_examples):
    model = make_model("language-model", tokens=True)
    examples = make_examples(SIZES, tokenizer=model.text_encoder.tokenizer)
    assert run_model(model, examples, effects=True).effects == {}


@torch.inference_mode()
def test_single_utterance_is_not_encoded_again_for_context(make_model, make_batch):
    model, batch = make_model("df-erc").eval(), make_batch((1, 1))
    weights, passes = model.weigh_modalities(batch), []
    model.register_forward_hook(lambda *_: passes.append(1))
    assert predict_with_effects(model, batch, weights)[1].context.isnan().all()
    assert len(passes) == 1  # all sets together
