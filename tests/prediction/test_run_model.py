"""Predictions are returned in the order of the input."""

import pytest
import torch

from mmerc.conversation import MODALITIES
from mmerc.data.batches import _Collate
from mmerc.models.inputs import encode_windows
from mmerc.prediction.run_model import build_model_examples, run_model

SIZES = (7, 1, 4, 9, 2, 4, 12)


@pytest.mark.parametrize("tokens", [False, True], ids=["vectors", "tokens"])
@pytest.mark.parametrize("size", [1, 2, 16])
def test_rows_keep_the_order_of_the_examples(make_model, make_examples, tokens, size):
    model = make_model("df-erc", tokens=tokens).eval()
    tokenizer = model.text_encoder.tokenizer if tokens else None
    examples = make_examples(SIZES, absent=0.25, unknown=0.2, tokenizer=tokenizer)
    examples = [examples[i] for i in (3, 0, 6, 1, 5, 2, 4)]
    actual = run_model(model, examples, size=size)
    rows = 0
    for example in examples:
        with torch.inference_mode():
            alone = model(_Collate(tokenizer)([example]))
        part = slice(rows, rows + len(example))
        rows += len(example)
        torch.testing.assert_close(
            actual.probabilities[part], alone.logits[0].softmax(-1), atol=1e-5, rtol=1e-4
        )
        assert torch.equal(actual.labels[part], example.labels)
        for name in ("similarity", "context_weight"):
            expected = getattr(alone.explanation, name)[0]
            torch.testing.assert_close(getattr(actual, name)[part], expected, atol=1e-5, rtol=1e-4)
        for m in MODALITIES:
            present = example.present[m]
            weight = actual.weights[m][part]
            expected = alone.explanation.weights[m][0]
            torch.testing.assert_close(weight[present], expected[present], atol=1e-5, rtol=1e-4)
            assert weight[~present].isnan().all()
    assert rows == len(actual.probabilities) == sum(SIZES)


def test_missing_model_outputs_are_nan(make_model, make_examples):
    actual = run_model(make_model("bc-lstm"), make_examples([2, 3]))
    assert actual.weights == {}
    assert actual.similarity.isnan().all()
    assert actual.context_weight.isnan().all()
    assert actual.probabilities.sum(-1).tolist() == pytest.approx([1.0] * 5)


def test_no_examples_give_no_rows(make_model):
    actual = run_model(make_model("df-erc"), [])
    assert actual.probabilities.shape == (0, 4)
    assert len(actual.labels) == len(actual.similarity) == len(actual.context_weight) == 0


@pytest.mark.parametrize("training", [True, False])
def test_training_mode_is_restored(make_model, make_examples, training):
    model = make_model("df-erc").train(training)
    model.inputs.eval()  # a frozen part
    modes = [module.training for module in model.modules()]
    examples = make_examples([3, 2])
    first, second = run_model(model, examples), run_model(model, examples)
    assert torch.equal(first.probabilities, second.probabilities)  # no dropout
    assert [module.training for module in model.modules()] == modes
    assert not first.probabilities.requires_grad


def test_predicting_does_not_update_prototypes(make_model, make_examples):
    model = make_model("df-erc").train()
    run_model(model, make_examples([3, 2]))
    assert (model.refusion.prototypes.count == 0).all()


@pytest.mark.parametrize("tokens", [False, True], ids=["vectors", "tokens"])
def test_examples_have_the_inputs_of_the_model(make_model, small_corpus, tokens):
    model = make_model("df-erc", tokens=tokens)
    conversations = small_corpus.splits["test"]
    examples = build_model_examples(model, conversations, small_corpus.features)
    for example, conversation in zip(examples, conversations, strict=True):
        assert len(example) == len(conversation)
        assert (example.token_ids is None) == (not tokens)
        assert ("text" in example.features) == (not tokens)
        if tokens:
            written = [bool(utterance.text) for utterance in conversation.utterances]
            assert example.present["text"].tolist() == written
    assert len(run_model(model, examples).labels) == sum(map(len, conversations))


def test_everything_is_absent_without_vectors(make_model, small_corpus):
    """A recording without any extracted vectors still has predictions."""
    model = make_model("df-erc")
    actual = run_model(model, build_model_examples(model, small_corpus.splits["test"], {}))
    assert torch.isfinite(actual.probabilities).all()
    assert all(weight.isnan().all() for weight in actual.weights.values())


@pytest.mark.parametrize(
    ("size", "tokens", "threads"), [(8, False, 1), (8, True, 1), (130, False, 2)]
)
def test_few_utterances_are_fused_on_one_thread(
    make_model, make_examples, monkeypatch, size, tokens, threads
):
    """Their text, if it has to be encoded, may use all threads."""
    model = make_model("df-erc", tokens=tokens).eval()
    examples = make_examples([size], tokenizer=model.tokenizer)
    fused, encoded = [], []
    forward, before = model.forward, torch.get_num_threads()

    def counted(batch):
        fused.append(torch.get_num_threads())
        return forward(batch)

    def encoder(*arguments):
        encoded.append(torch.get_num_threads())
        return encode_windows(*arguments)

    monkeypatch.setattr(model, "forward", counted)
    torch.set_num_threads(2)
    try:
        run_model(model, examples, effects=True, window_encoder=encoder)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert set(fused) == {threads}
    assert set(encoded) == ({2} if tokens else set())
