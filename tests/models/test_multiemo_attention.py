"""MultiAttn (Eqs. 2-12), compared with loops, one conversation at a time."""

import pytest
import torch
from multiemo_oracles import contexts_of, stream_oracle

from mmerc.conversation import MODALITIES


def fused_of(model, batch):
    vectors, present = model.inputs(batch)
    context = model.context(vectors, present, batch.speakers)
    return model.fusion(context, present), model.fusion.shares(context, present)


def others_of(modality, names=MODALITIES):
    return [other for other in names if other != modality]


@pytest.fixture
def model(make_model):
    return make_model("multiemo", layers=2, attention_heads=2).eval()


@pytest.fixture
def silent_batch(batch):
    """Like ``batch``, but without audio in the first conversation and text in the last."""
    present = {m: existing.clone() for m, existing in batch.present.items()}
    present["audio"][0] = False
    present["text"][3] = False
    return batch.with_present(present)


def test_attention_equals_eqs_2_to_12(model, silent_batch):
    with torch.no_grad():
        fused, shares = fused_of(model, silent_batch)
        for b, (context, present) in enumerate(contexts_of(model, silent_batch)):
            size = len(present["text"])
            for m in MODALITIES:
                expected, seen = stream_oracle(
                    model.fusion.layers[m], others_of(m), context, present, m
                )
                existing = present[m]  # the fused value of an absent vector is never read
                torch.testing.assert_close(fused[m][b, :size][existing], expected[existing])
                for other in others_of(m):
                    if other in seen:
                        actual = shares[m, other][b, :size, :size]
                        torch.testing.assert_close(actual[existing], seen[other][existing])
                    else:
                        assert not present[other].any()
                        assert (shares[m, other][b] == 0).all()
                    assert (shares[m, other][b, :, size:] == 0).all()


def test_gradients_match_the_equations(model, silent_batch):
    fused, _ = fused_of(model, silent_batch)
    actual, expected = 0, 0
    for b, (context, present) in enumerate(contexts_of(model, silent_batch)):
        for m in MODALITIES:
            slow, _ = stream_oracle(model.fusion.layers[m], others_of(m), context, present, m)
            expected = expected + (slow[present[m]] ** 3).sum()
            actual = actual + (fused[m][b, : len(slow)][present[m]] ** 3).sum()
    parameters = list(model.fusion.parameters())
    pairs = zip(
        torch.autograd.grad(actual, parameters),
        torch.autograd.grad(expected, parameters),
        strict=True,
    )
    for one, other in pairs:
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-3)


def test_order_equals_the_paper(model):
    """Text reads audio, then video; audio text, then video; video text, then audio."""
    for m in MODALITIES:
        assert len(model.fusion.layers[m]) == 2
        for layer in model.fusion.layers[m]:
            assert list(layer.others) == others_of(m)
            assert set(layer.attention) == set(others_of(m))


def test_projections_have_no_bias_and_the_feed_forward_has(model):
    """Eqs. 2-4 have no bias, Eqs. 10 and 11 do."""
    names = {
        name.split(".")[-2:][0] for name, _ in model.fusion.named_parameters() if "bias" in name
    }
    assert names & {"query", "key", "value", "output"} == set()
    layer = model.fusion.layers["text"][0]
    assert layer.feed_forward[0].bias is not None
    assert layer.feed_forward[0].out_features == 16


def test_left_out_modality_equals_an_absent_one(model, batch):
    vectors, present = model.inputs(batch)
    context = model.context(vectors, present, batch.speakers)
    kept = {m: context[m] for m in ("text", "video")}
    nowhere = present | {"audio": torch.zeros_like(batch.mask)}
    without, absent = model.fusion(kept, present), model.fusion(context, nowhere)
    assert set(without) == {"text", "video"}
    for m in without:
        torch.testing.assert_close(without[m], absent[m])


def test_single_modality_uses_only_feed_forward_networks(make_model, batch):
    model = make_model("multiemo", layers=2, modalities=("audio",)).eval()
    with torch.no_grad():
        fused, shares = fused_of(model, batch)
        assert shares == {}
        for b, (context, present) in enumerate(contexts_of(model, batch)):
            expected, _ = stream_oracle(model.fusion.layers["audio"], [], context, present, "audio")
            existing = present["audio"]
            torch.testing.assert_close(
                fused["audio"][b, : len(existing)][existing], expected[existing]
            )


def test_added_terms_start_small(make_model):
    """(8 T)^-1/4 of torch's uniform weights, whose deviation is 1 / sqrt(3 x inputs)."""
    layer = make_model("multiemo", layers=2, width=64).fusion.layers["text"][0]
    attention, usual = layer.attention["audio"], 1 / (3 * 64) ** 0.5
    for linear, factor in (
        (attention.query, 1), (attention.key, 1), (attention.value, 0.5), (attention.output, 0.5),
        (layer.feed_forward[0], 0.5),
    ):  # fmt: skip
        assert float(linear.weight.detach().std()) == pytest.approx(factor * usual, rel=0.1)
