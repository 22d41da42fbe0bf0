"""MultiEMO as a whole (Eqs. 13-22), its settings, explanation and switches."""

import math
from dataclasses import replace
from itertools import combinations

import pytest
import torch
from df_erc_oracles import places, total_or_mean
from dq_former_oracles import encoder_layer_oracle
from multiemo_oracles import (
    contexts_of,
    soft_hgr_oracle,
    stream_oracle,
    swfc_oracle,
    whole_oracle,
)
from pydantic import ValidationError

from mmerc.conversation import MODALITIES
from mmerc.errors import UsageError
from mmerc.models.multiemo import MultiEmo, MultiEmoConfig
from mmerc.models.registry import load_model
from mmerc.models.training_data import TrainingStatistics


def parameters(model, prefix=""):
    return {name for name, _ in model.named_parameters() if name.startswith(prefix)}


def statistics(label_counts):
    zero_one = {
        m: (torch.zeros(w), torch.ones(w)) for m, w in (("text", 12), ("audio", 7), ("video", 5))
    }
    return TrainingStatistics(features=zero_one, label_counts=torch.tensor(label_counts))


def expected_losses(model, batch, settings, *, class_counts=None):
    """Eqs. 19-21 from the oracle's features."""
    fused, joint, scores = whole_oracle(model, batch)
    where = places(batch)
    labels = torch.tensor([int(batch.labels[place]) for place in where])
    contrast = swfc_oracle(
        torch.stack([joint[place] for place in where]),
        labels,
        class_counts=class_counts,
        normalize=model.config.normalize,
        **settings,
    )
    correlation = 0.0
    for one, other in combinations(model.config.modalities, 2):
        both = [p for p in where if batch.present[one][p] and batch.present[other][p]]
        correlation += soft_hgr_oracle(
            *(torch.stack([fused[p][m] for p in both]) for m in (one, other))
        )
    emotion = [
        -torch.log(torch.softmax(scores[place], 0)[label])
        for place, label in zip(where, labels.tolist(), strict=True)
        if label >= 0
    ]
    return {"contrast": contrast, "correlation": correlation, "emotion": emotion}, scores


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("ablations", [(), ("-MultiAttn",)])
def test_complete_model_and_total_loss(make_model, batch, reduction, ablations):
    """Eqs. 13-22 in a training step without dropout."""
    model = make_model(
        "multiemo", layers=2, dropout=0.0, reduction=reduction, ablations=ablations,
        contrast_weight=0.2, correlation_weight=0.3,
    ).train()  # fmt: skip
    for m in MODALITIES:
        torch.nn.init.normal_(model.absent[m])
    output = model(batch)
    settings = {"temperature": 0.8, "focus": 2.0, "sample_weight": 0.8}
    expected, scores = expected_losses(model, batch, settings)
    for place in places(batch):
        torch.testing.assert_close(output.logits[place], scores[place], atol=1e-5, rtol=1e-4)
    items = len(expected["emotion"])
    contrast = expected["contrast"] * (items if reduction == "sum" else 1)
    emotion = total_or_mean(expected["emotion"], reduction)
    utterances = len(places(batch)) if reduction == "mean" else 1
    total = 0.2 * contrast + 0.3 * expected["correlation"] / utterances + 0.5 * emotion
    assert set(output.losses) == {"emotion", "contrast", "correlation"}
    for name, value in (("contrast", contrast), ("emotion", emotion)):
        torch.testing.assert_close(output.losses[name], value, atol=1e-4, rtol=1e-4)
    actual = float(output.losses["correlation"].detach())
    assert actual == pytest.approx(expected["correlation"], rel=1e-3, abs=1e-3)
    torch.testing.assert_close(output.loss, total, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("scale", [None, "raw", "mean"])
def test_classes_are_counted_over_the_training_split(make_model, batch, tmp_path, scale):
    """As in the released code their weights sum to 1, unless another scale is chosen."""
    counts = [30, 10, 2, 5]
    model = make_model(
        "multiemo",
        layers=1,
        dropout=0.0,
        class_counting="training",
        class_weight_scale=scale,
        normalize=False,
    )
    model.fit(statistics(counts))
    settings = {"temperature": 0.8, "focus": 2.0, "sample_weight": 0.8}
    settings["weight_scale"] = scale or "sum"
    expected, _ = expected_losses(model, batch, settings, class_counts=counts)
    actual = model.train()(batch).losses["contrast"]
    torch.testing.assert_close(actual, expected["contrast"], atol=1e-4, rtol=1e-4)
    model.save_pretrained(tmp_path / "model")
    assert load_model(tmp_path / "model").class_counts.tolist() == counts


def test_batch_losses_are_for_training_only(make_model, batch):
    """Evaluation must not depend on which conversations share a batch."""
    output = make_model("multiemo", layers=1).eval()(batch)
    assert float(output.losses["contrast"]) == float(output.losses["correlation"]) == 0
    torch.testing.assert_close(output.loss, 0.3 * output.losses["emotion"])


def test_default_settings_equal_the_paper():
    """Sec. 4.3."""
    config = MultiEmoConfig()
    assert (config.layers, config.width, config.attention_heads) == (6, 256, 4)
    assert (config.feed_forward_width, config.dropout) == (1024, 0.1)
    assert (config.temperature, config.sample_weight, config.contrast_focus) == (0.8, 0.8, 2.0)
    assert (config.contrast_weight, config.correlation_weight) == (0.4, 0.3)
    assert (config.normalize, config.class_counting, config.bidirectional) == (True, "batch", True)
    assert MultiEmo.config_class is MultiEmoConfig


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"attention_heads": 3}, "width 256 is not a multiple of 3 heads"),
        ({"contrast_weight": 0.6, "correlation_weight": 0.5}, "together more than 1"),
        ({"ablations": ("-VisExtNet",), "modalities": ("text",)}, "-VisExtNet replaces video"),
        ({"ablations": ("-XYZ",)}, "-VisExtNet"),
    ],
)
def test_invalid_settings_are_refused(settings, message):
    with pytest.raises(ValidationError, match=message):
        MultiEmoConfig(**settings)


def positions_oracle(count, width):
    """Sines and cosines of Vaswani et al., one by one."""
    table = torch.zeros(count, width)
    for place in range(count):
        for d in range(width):
            angle = place / 10_000 ** (2 * (d // 2) / width)
            table[place, d] = math.cos(angle) if d % 2 else math.sin(angle)
    return table


def test_two_stage_text(make_model, make_batch):
    """App. A.1: every conversation separately, with its present texts only."""
    batch = make_batch((4, 2, 3), absent=0.25, seed=8)
    model = make_model("multiemo", layers=1, dropout=0.0, text_transformer_layers=2).eval()
    width = model.config.width
    vectors, present = model.inputs(batch)
    actual = model.context(vectors, present, batch.speakers)["text"]
    transformer, compared = model.context.text_transformer, 0
    for b, size in enumerate(batch.mask.sum(1).tolist()):
        here = present["text"][b, :size]
        text = model.context.projection["text"](vectors["text"][b, :size])
        text = (text + positions_oracle(size, width))[here]
        for layer in transformer.layers:
            text = torch.stack(encoder_layer_oracle(layer, text))
        torch.testing.assert_close(actual[b, :size][here], text, atol=1e-5, rtol=1e-4)
        compared += int(here.sum())
    assert compared > 5


@pytest.mark.parametrize("name", ["df-erc", "multiemo"])
def test_stored_text_vectors_get_dropout(make_model, batch, name):
    """Only in training, and only for text."""
    model = make_model(name, text_dropout=0.5)
    vectors, _ = model.inputs(batch)
    assert all(torch.equal(v, vectors[m]) for m, v in model.eval().text_dropout(vectors).items())
    dropped = model.train().text_dropout(vectors)
    assert all(torch.equal(v, vectors[m]) for m, v in dropped.items() if m != "text")
    seen = vectors["text"] != 0
    kept = (dropped["text"] != 0)[seen]
    assert 0.3 < float(kept.float().mean()) < 0.7
    alive = dropped["text"] != 0
    torch.testing.assert_close(dropped["text"][alive], 2 * vectors["text"][alive])


@pytest.mark.parametrize(
    "modalities", [("text",), ("text", "audio"), ("audio", "video")], ids="+".join
)
def test_modality_subsets(make_model, batch, modalities):
    """Table 3."""
    model = make_model("multiemo", layers=2, modalities=modalities, dropout=0.0).train()
    output = model(batch)
    _, _, scores = whole_oracle(model, batch)
    for place in places(batch):
        torch.testing.assert_close(output.logits[place], scores[place], atol=1e-5, rtol=1e-4)
    assert (float(output.losses["correlation"].detach()) == 0) == (len(modalities) == 1)
    output.loss.backward()


def test_without_contrast_the_other_terms_keep_their_weights(make_model, batch):
    whole = make_model("multiemo", layers=1, dropout=0.0).train()(batch)
    less = make_model("multiemo", layers=1, dropout=0.0, ablations=("-SWFC",)).train()(batch)
    assert float(less.losses["contrast"]) == 0 < float(whole.losses["contrast"].detach())
    torch.testing.assert_close(less.loss, whole.loss - 0.4 * whole.losses["contrast"])


def test_attention_can_be_disabled(make_model, batch):
    model = make_model("multiemo", ablations=("-MultiAttn",)).eval()
    assert parameters(model, "fusion") == set()
    inside = model.compute_intermediates(batch)
    assert inside.attention == {}
    assert all(torch.equal(inside.fused[m], inside.context[m]) for m in MODALITIES)


@pytest.mark.parametrize("width", [1000, 512])
def test_vectors_of_visextnet_are_not_an_ablation(make_model, width):
    widths = {"text": 12, "audio": 7, "video": width}
    if width == 512:
        assert make_model("multiemo", ablations=("-VisExtNet",), widths=widths).fusion is not None
        return
    with pytest.raises(UsageError, match="-VisExtNet needs a 3D-CNN's") as caught:
        make_model("multiemo", ablations=("-VisExtNet",), widths=widths)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text_context", [True, False])
@pytest.mark.parametrize("bidirectional", [True, False])
def test_modalities_through_dialogue_rnn(make_model, batch, text_context, bidirectional):
    settings = {"text_context": text_context, "bidirectional": bidirectional, "layers": 1}
    model = make_model("multiemo", **settings).eval()
    names = [*(["text"] if text_context else []), "audio", "video"]
    assert model.context.in_dialogue == names
    assert model.context.dialogue.runs == len(names) * (1 + bidirectional)
    first = model.compute_intermediates(batch).context
    changed = {m: batch.features[m].clone() for m in MODALITIES}
    for m in MODALITIES:
        changed[m][:, 0] += 1
    second = model.compute_intermediates(batch.with_features(changed)).context
    for m in MODALITIES:
        existing = batch.present[m].clone()
        heard = existing[:, 0].clone()
        existing[:, 0] = False
        later = existing & heard[:, None]
        assert later.any()
        assert (first[m][later] != second[m][later]).any() == (m in names), m


def test_wide_audio_vectors_use_two_layers(make_model):
    widths = {"text": 12, "audio": 40, "video": 40}
    projection = make_model("multiemo", widths=widths, audio_width=20).context.projection
    assert [layer.out_features for layer in projection["audio"]] == [20, 16]
    assert projection["video"].in_features == 40


def test_compute_intermediates_shows_what_the_model_computes(make_model, batch):
    """Figure 6 and the attention between utterances."""
    model = make_model("multiemo", layers=2).eval()
    inside = model.compute_intermediates(batch)
    _, joint, _ = whole_oracle(model, batch)
    for place in places(batch):
        torch.testing.assert_close(inside.joint[place], joint[place], atol=1e-5, rtol=1e-4)
    for m, width in (("text", 12), ("audio", 7), ("video", 5)):
        assert inside.unimodal[m].shape[-1] == width
        for other in MODALITIES:
            if other != m:
                received = inside.attention[m, other].sum(-1)
                anybody = (batch.present[other] & batch.mask).any(1)
                torch.testing.assert_close(received, anybody[:, None].expand_as(received).float())


def test_explanation_shows_attended_utterances(make_model, batch):
    """Mean over layers and all modality pairs whose querying modality is present."""
    model = make_model("multiemo", layers=2).eval()
    explanation = model(batch).explanation
    for b, (context, present) in enumerate(contexts_of(model, batch)):
        for i in range(len(present["text"])):
            rows = []
            for m in MODALITIES:
                others = [other for other in MODALITIES if other != m]
                _, seen = stream_oracle(model.fusion.layers[m], others, context, present, m)
                rows += [share[i] for share in seen.values() if present[m][i]]
            expected = sum(rows) / len(rows) if rows else torch.zeros(len(present["text"]))
            torch.testing.assert_close(explanation.attention[b, i, : len(expected)], expected)
            assert (explanation.attention[b, i, len(expected) :] == 0).all()
            others_share = float((expected.sum() - expected[i]).detach())
            assert float(explanation.context_weight[b, i]) == pytest.approx(others_share, abs=1e-5)


@pytest.mark.parametrize("settings", [{"ablations": ("-MultiAttn",)}, {"modalities": ("text",)}])
def test_no_cross_modal_attention_is_reported_if_disabled(make_model, batch, settings):
    explanation = make_model("multiemo", **settings).eval()(batch).explanation
    assert explanation.attention is None
    assert explanation.context_weight is None


@pytest.mark.parametrize("missing", ["text", "audio", "video"])
@pytest.mark.parametrize("training", [True, False])
def test_modality_absent_in_a_complete_conversation(make_model, batch, missing, training):
    """For example, a conversation without faces: the values at absent places are never read."""
    present = {m: existing.clone() for m, existing in batch.present.items()}
    present[missing][0] = False
    features = dict(batch.features) | {missing: batch.features[missing].clone()}
    features[missing][0] = torch.nan
    model = make_model("multiemo", layers=2, dropout=0.0).train(training)
    output = model(replace(batch, present=present, features=features))
    assert torch.isfinite(output.logits).all()
    output.loss.backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)
    filled = model(replace(batch, present=present))
    torch.testing.assert_close(output.logits, filled.logits)


@pytest.mark.parametrize(
    "sizes", [[1], [1, 1], [40]], ids=["one utterance", "two", "one conversation"]
)
@pytest.mark.parametrize("speakers", [1, 30])
def test_small_batches_and_any_speakers(make_model, make_batch, sizes, speakers):
    batch = make_batch(sizes, speakers=speakers)
    batch = replace(batch, labels=batch.labels.clamp(max=1))  # two classes are absent
    model = make_model("multiemo", layers=1).train()
    output = model(batch)
    output.loss.backward()
    assert torch.isfinite(output.loss)
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)


def test_only_the_correlation_loss_remains_without_labels(make_model, batch):
    unknown = replace(batch, labels=torch.full_like(batch.labels, -100))
    losses = make_model("multiemo", layers=1).train()(unknown).losses
    assert float(losses["emotion"].detach()) == float(losses["contrast"].detach()) == 0
    assert float(losses["correlation"].detach()) != 0
