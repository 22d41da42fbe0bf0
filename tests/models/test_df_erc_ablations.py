"""DF-ERC's ablations (Table 2)."""

import math
from dataclasses import replace

import pytest
import torch
from df_erc_oracles import (
    CONTRAST,
    CONTRIBUTION,
    SIZES,
    contribution_oracle,
    is_present,
    places,
    total_or_mean,
)
from pydantic import ValidationError

from mmerc.conversation import MODALITIES
from mmerc.data.batches import _Collate
from mmerc.models.df_erc.config import DfErcConfig

ABLATIONS = (
    "-DDM", "-Utterance", "-Modality", "-CFM", "-CFM(weights)", "-CFM(losses)", "-CFM+Att",
    "-CRM(full)", "-CRM(zero)", "-CRM+Att",
)  # fmt: skip


def parameters(model):
    return {name for name, _ in model.named_parameters()}


def group(model, prefix):
    return {name for name in parameters(model) if name.startswith(prefix)}


GONE_LOSSES = {
    "-DDM": CONTRAST,
    "-Utterance": ("contrast_utterance",),
    "-Modality": ("contrast_modality",),
    "-CFM": CONTRIBUTION,
    "-CFM(weights)": (),
    "-CFM(losses)": CONTRIBUTION,
    "-CFM+Att": CONTRIBUTION,
    "-CRM(full)": ("prototype",),
    "-CRM(zero)": ("prototype",),
    "-CRM+Att": ("prototype",),
}


@pytest.mark.parametrize("ablation", ABLATIONS)
def test_ablated_terms_are_zero_and_others_unchanged(make_model, batch, ablation):
    model = make_model("df-erc", ablations=(ablation,), prototype_margin=0.0).train()
    output = model(batch)
    for name, loss in output.losses.items():
        assert (float(loss.detach()) == 0) == (name in GONE_LOSSES[ablation]), name
    output.loss.backward()
    gradients = {
        name: p.grad is not None and bool((p.grad != 0).any())
        for name, p in model.named_parameters()
    }
    assert [name for name, actual in gradients.items() if not actual] == []
    assert torch.isfinite(output.logits).all()


@pytest.mark.parametrize("ablation", ["-DDM", "-Utterance", "-Modality"])
def test_disentanglement_ablations_keep_the_branch_unless_it_is_dropped(make_model, ablation):
    whole = parameters(make_model("df-erc"))
    assert parameters(make_model("df-erc", ablations=(ablation,))) == whole
    dropped = make_model("df-erc", ablations=(ablation,), drop_branch=True)
    kept_modality = ablation == "-Utterance"
    kept_utterance = ablation == "-Modality"
    assert bool(group(dropped, "disentanglement.modality_branch")) == kept_modality
    assert bool(group(dropped, "disentanglement.utterance_branch")) == kept_utterance
    levels = kept_modality + kept_utterance
    assert dropped.disentanglement.widths["audio"] == 7 + 16 * levels


@pytest.mark.parametrize("ablation", ["-DDM", "-Utterance", "-Modality"])
def test_model_runs_without_the_branch(make_model, batch, ablation):
    output = make_model("df-erc", ablations=(ablation,), drop_branch=True)(batch)
    assert torch.isfinite(output.loss)
    for name in GONE_LOSSES[ablation]:
        assert float(output.losses[name]) == 0


def test_without_contribution_present_modalities_weigh_equally(make_model, batch):
    model = make_model("df-erc", ablations=("-CFM",)).eval()
    assert not group(model, "fusion.teacher") | group(model, "fusion.student")
    weights = model(batch).explanation.weights
    for place in places(batch):
        seen = [m for m in MODALITIES if is_present(batch, m, place)]
        for m in MODALITIES:
            expected = 1 / len(seen) if m in seen else 0.0
            assert float(weights[m][place]) == pytest.approx(expected)


def test_contribution_without_weights_keeps_its_losses(make_model, batch):
    """The losses of the complete model with the fusion of "-CFM"."""
    model = make_model("df-erc", ablations=("-CFM(weights)",)).eval()
    output = model(batch)
    _, teacher_terms, student_terms = contribution_oracle(model, batch)
    for name, terms in zip(CONTRIBUTION, (teacher_terms, student_terms), strict=True):
        expected = sum(total_or_mean(own, "mean") for own in terms.values())
        torch.testing.assert_close(output.losses[name], expected)
    without = make_model("df-erc", ablations=("-CFM",)).eval()
    without.load_state_dict(model.state_dict(), strict=False)
    torch.testing.assert_close(output.logits, without(batch).logits)


def test_contribution_without_losses_keeps_its_weights(make_model, batch):
    """The student is trained by the emotion loss; there is no teacher."""
    model = make_model("df-erc", ablations=("-CFM(losses)",)).eval()
    assert not group(model, "fusion.teacher")
    whole = make_model("df-erc").eval()
    whole.load_state_dict(model.state_dict(), strict=False)
    output = model(batch)
    torch.testing.assert_close(output.logits, whole(batch).logits)
    output.loss.backward()
    assert all(bool((p.grad != 0).any()) for p in model.fusion.student.parameters())


def test_normalised_contributions_sum_to_1(make_model, batch):
    model = make_model("df-erc", normalise_contribution=True).eval()
    output = model(batch)
    estimates, _, student_terms = contribution_oracle(model, batch)
    for place in places(batch):
        total = sum(estimates[m][place] for m in MODALITIES)
        for m in MODALITIES:
            expected = (
                estimates[m][place] / total if is_present(batch, m, place) else torch.tensor(0.0)
            )
            torch.testing.assert_close(output.explanation.weights[m][place], expected)
    expected = sum(total_or_mean(own, "mean") for own in student_terms.values())
    torch.testing.assert_close(output.losses["contribution_confidence"], expected)


def test_attention_over_modalities(make_model, batch):
    """Self-attention by hand for one utterance; weights form a distribution."""
    model = make_model("df-erc", ablations=("-CFM+Att",), attention_heads=2).eval()
    model.requires_grad_(False)
    assert not group(model, "fusion.teacher") | group(model, "fusion.student")
    assert group(model, "fusion.attention")
    packing, vectors, present = model.pack_inputs(batch)
    vectors = model.disentanglement(vectors, present, packing).vectors
    fused = model.fusion(vectors, present, packing.pack(batch.labels))
    vectors, weights = packing.unpack_all(vectors), packing.unpack_all(fused.weights)
    joined = packing.unpack(fused.fused)
    layer = model.fusion.attention.attention
    width, heads = model.config.fusion_width, 2
    size = width // heads
    for place in places(batch):
        seen = [m for m in MODALITIES if is_present(batch, m, place)]
        shown = sum(weights[m][place] for m in MODALITIES)
        assert float(shown) == pytest.approx(1.0 if seen else 0.0, abs=1e-5)
        assert all(float(weights[m][place]) == 0 for m in MODALITIES if m not in seen)
        if not seen:
            assert (joined[place] == 0).all()
            continue
        items = [model.fusion.projection[m](vectors[m][place]) for m in seen]
        outputs = []
        for item in items:
            heads_out = []
            for h in range(heads):
                rows = slice(h * size, (h + 1) * size)
                q_w, k_w, v_w = (w[rows] for w in layer.in_proj_weight.split(width))
                q_b, k_b, v_b = (b[rows] for b in layer.in_proj_bias.split(width))
                query = q_w @ item + q_b
                scores = torch.stack([query @ (k_w @ x + k_b) for x in items]) / math.sqrt(size)
                share = scores.softmax(0)
                values = [v_w @ x + v_b for x in items]
                heads_out.append(sum(s * x for s, x in zip(share, values, strict=True)))
            attended = layer.out_proj(torch.cat(heads_out))
            outputs.append(attended + item)
        expected = sum(outputs) / len(outputs)
        torch.testing.assert_close(joined[place], expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(("ablation", "weight"), [("-CRM(full)", 1.0), ("-CRM(zero)", 0.0)])
def test_constant_context_weight(make_model, batch, ablation, weight):
    model = make_model("df-erc", ablations=(ablation,)).eval()
    assert not group(model, "refusion.aligned")
    assert model.refusion.prototypes is None
    explanation = model(batch).explanation
    assert explanation.similarity is None
    assert (explanation.context_weight == weight).all()
    alone = [replace(batch, **cut(batch, place)) for place in places(batch)]
    whole = model(batch).logits
    same = [
        torch.allclose(model(one).logits[0, 0], whole[place], atol=1e-6)
        for one, place in zip(alone, places(batch), strict=True)
    ]
    # Without context every utterance is judged by itself; with context only a single one is.
    assert all(same) == (ablation == "-CRM(zero)")
    assert bool(group(model, "refusion.context")) == (ablation == "-CRM(full)")


def cut(batch, place):
    """The fields of a batch of one utterance."""
    b, i = place
    at = (slice(b, b + 1), slice(i, i + 1))
    return {
        "features": {m: x[at] for m, x in batch.features.items()},
        "present": {m: x[at] for m, x in batch.present.items()},
        "mask": batch.mask[at],
        "speakers": batch.speakers[at],
        "labels": batch.labels[at],
        "indices": batch.indices[b : b + 1],
    }


def test_attention_over_context(make_model, batch):
    model = make_model("df-erc", ablations=("-CRM+Att",)).eval()
    assert not group(model, "refusion.aligned")
    assert model.refusion.prototypes is None
    assert group(model, "refusion.attention")
    explanation = model(batch).explanation
    assert explanation.similarity is None
    assert explanation.context_weight is None


@pytest.mark.parametrize("ablation", ABLATIONS)
def test_ablations_never_read_padding(make_model, make_examples, ablation):
    model = make_model("df-erc", ablations=(ablation,)).eval()
    examples = make_examples(SIZES, absent=0.25, seed=8)
    whole = model(_Collate(None)(examples)).logits
    for row, example in enumerate(examples):
        alone = model(_Collate(None)([example])).logits[0]
        torch.testing.assert_close(whole[row, : len(example)], alone, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    "ablations",
    [
        ("-CFM", "-CFM+Att"),
        ("-CFM", "-CFM(weights)"),
        ("-CFM(losses)", "-CFM(weights)"),
        ("-CRM(full)", "-CRM(zero)"),
        ("-CRM(zero)", "-CRM+Att"),
        ("-CRM(full)", "-CRM+Att"),
    ],
)
def test_contradictory_ablations_are_refused(ablations):
    with pytest.raises(ValidationError, match="exclude each other"):
        DfErcConfig(ablations=ablations)


def test_unknown_ablation_is_refused():
    with pytest.raises(ValidationError):
        DfErcConfig(ablations=("-XYZ",))


def test_ablations_of_different_parts_combine(make_model, batch):
    model = make_model("df-erc", ablations=("-DDM", "-CFM", "-CRM(zero)"), drop_branch=True)
    losses = model(batch).losses
    gone = {name for name, loss in losses.items() if float(loss.detach()) == 0}
    assert gone == {*CONTRAST, *CONTRIBUTION, "prototype"}
    assert float(losses["emotion"].detach()) > 0
