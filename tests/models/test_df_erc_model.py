"""DF-ERC as a whole (Eqs. 22-25), its settings and layers, and Table 3's subsets of modalities."""

import pytest
import torch
from df_erc_oracles import (
    CONTRAST,
    CONTRIBUTION,
    aligned_items,
    contrast_oracle,
    contribution_oracle,
    places,
    prototype_loss_oracle,
    prototypes_of,
    total_or_mean,
    whole_oracle,
)

from mmerc.conversation import MODALITIES
from mmerc.models.df_erc.config import DfErcConfig


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_complete_model_and_total_loss(make_model, batch, reduction):
    """Eqs. 22-25, in a training step without dropout."""
    model = make_model(
        "df-erc",
        dropout=0.0,
        reduction=reduction,
        contrast_weight=0.2,
        contribution_weight=0.9,
        prototype_weight=0.7,
        prototype_margin=0.01,
    ).train()
    output = model(batch)
    logits = whole_oracle(model, batch)
    emotion = []
    for place in places(batch):
        torch.testing.assert_close(output.logits[place], logits[place], atol=1e-5, rtol=1e-4)
        label = int(batch.labels[place])
        if label >= 0:
            emotion.append(-torch.log(torch.softmax(logits[place], 0)[label]))
    _, teacher_terms, student_terms = contribution_oracle(model, batch)
    contrast = sum(contrast_oracle(model, batch, level) for level in ("modality", "utterance"))
    contribution = sum(
        total_or_mean(terms[m], reduction)
        for terms in (teacher_terms, student_terms)
        for m in MODALITIES
    )
    items = aligned_items(model, batch)
    gathered = [(item.detach(), int(batch.labels[place])) for (_, place), item in items.items()]
    mean, _ = prototypes_of(gathered, 4, model.config.prototype_width)
    prototype = prototype_loss_oracle(items, batch, mean, 0.01)
    expected = (
        0.2 * contrast + 0.9 * contribution + 0.7 * prototype + total_or_mean(emotion, reduction)
    )
    assert set(output.losses) == {"emotion", *CONTRAST, *CONTRIBUTION, "prototype"}
    torch.testing.assert_close(output.loss, expected, atol=1e-4, rtol=1e-4)


def test_default_settings_equal_the_paper():
    """Sec. 4.1 and Table 6, MELD."""
    config = DfErcConfig()
    assert (config.contrast_weight, config.contribution_weight, config.prototype_weight) == (
        0.3,
        0.8,
        0.3,
    )
    assert (config.modality_temperature, config.utterance_temperature) == (0.5, 0.3)
    assert (config.prototype_margin, config.dropout) == (0.1, 0.2)
    assert (config.disentangled_width, config.prototype_width, config.fusion_width) == (
        300,
        500,
        500,
    )
    assert (config.context_width, config.classifier_width) == (300, 300)
    assert (config.scope, config.reduction) == ("conversation", "mean")
    assert config.detach_contribution


def test_layer_widths_match_the_specification(make_model):
    model = make_model(
        "df-erc",
        disentangled_width=10,
        classifier_width=11,
        fusion_width=12,
        prototype_width=13,
        context_width=14,
    )

    def widths(perceptron):
        first, relu, dropout, last = perceptron
        assert isinstance(relu, torch.nn.ReLU)
        assert dropout.p == 0.2
        return first.in_features, first.out_features, last.out_features

    source = {"text": 12, "audio": 7, "video": 5}
    for m, width in source.items():
        assert widths(model.disentanglement.modality_branch[m]) == (width, 10, 10)
        assert widths(model.disentanglement.utterance_branch[m]) == (width, 10, 10)
        assert widths(model.fusion.teacher[m]) == (width + 20, 11, 4)
        assert widths(model.fusion.student[m]) == (width + 20, 11, 1)
        assert widths(model.refusion.aligned[m]) == (width + 20, 13, 13)
    assert widths(model.classifier) == (12 + 2 * 14, 11, 4)
    assert model.refusion.context.lstm.bidirectional


@pytest.mark.parametrize(
    "modalities",
    [("text",), ("audio",), ("video",), ("text", "audio"), ("text", "video"), ("audio", "video")],
    ids="+".join,
)
def test_modality_subsets(make_model, batch, modalities):
    model = make_model("df-erc", modalities=modalities, dropout=0.0).train()
    output = model(batch)
    assert torch.isfinite(output.loss)
    explanation = model.eval()(batch).explanation
    assert set(explanation.weights) == set(modalities)
    assert set(model.disentanglement.widths) == set(modalities)
    logits = whole_oracle(model, batch)
    for place in places(batch):
        torch.testing.assert_close(output.logits[place], logits[place], atol=1e-5, rtol=1e-4)
    if len(modalities) == 1:
        assert (explanation.similarity[batch.mask] == 0).all()
        assert (explanation.context_weight[batch.mask] == 1).all()  # full context
        assert float(output.losses["contrast_utterance"].detach()) == 0
    output.loss.backward()


def test_bfloat16_trains_on_the_same_losses(make_model, batch):
    """Padding rows have neither labels nor vectors."""
    model = make_model("df-erc", dropout=0.0).train()
    expected = model(batch).losses
    model.start_epoch()
    with torch.autocast("cpu", torch.bfloat16):
        actual = model(batch).losses
    for name, loss in expected.items():
        torch.testing.assert_close(actual[name].float(), loss, atol=0.02, rtol=0.02)
