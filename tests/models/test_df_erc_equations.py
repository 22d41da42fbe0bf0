"""DF-ERC against its equations (Li et al. 2023), each written out as slow loops.

Every oracle takes the model's own layers (MLPs, projections, LSTM) and nothing else from it.
"""

import math
from dataclasses import replace
from datetime import timedelta

import pytest
import torch
from pydantic import ValidationError
from torch import multiprocessing

from mmerc.conversation import MODALITIES
from mmerc.data.batches import Collate
from mmerc.models.df_erc.config import DfErcConfig
from mmerc.models.df_erc.contribution import true_class_probability
from mmerc.models.df_erc.refusion import EmotionPrototypes, modality_similarity

SIZES = (4, 2, 3, 1)
ABLATIONS = (
    "-DDM", "-Utterance", "-Modality", "-CFM", "-CFM+Att", "-CRM(full)", "-CRM(zero)", "-CRM+Att",
)  # fmt: skip
CONTRAST = ("contrast_modality", "contrast_utterance")
CONTRIBUTION = ("contribution_classifier", "contribution_confidence")


@pytest.fixture
def batch(make_batch):
    """Four conversations, some modalities absent, some labels unknown, one utterance with none."""
    batch = make_batch(SIZES, absent=0.25, unknown=0.2, seed=8)
    for present in batch.present.values():
        present[0, 2] = False
    assert all(0 < int(present.sum()) < sum(SIZES) for present in batch.present.values())
    assert 0 < int((batch.labels >= 0).sum()) < sum(SIZES)
    return batch


@pytest.fixture
def whole_batch(make_batch):
    """Nothing absent, nothing unknown: the paper's own case."""
    return make_batch(SIZES, seed=2)


def places(batch):
    """Every real utterance as (conversation, position)."""
    return [(b, i) for b in range(len(batch)) for i in range(int(batch.mask[b].sum()))]


def there(batch, m, place):
    return bool(batch.present[m][place])


def cosine(one, other):
    return (one * other).sum() / (one.norm() * other.norm())


def total_or_mean(terms, reduction):
    if not terms:
        return torch.tensor(0.0)
    return sum(terms) / (len(terms) if reduction == "mean" else 1)


# Eqs. 2-9: disentanglement


def source_vector(model, batch, m, place):
    """The utterance's standardised vector, zeros where absent."""
    vector = batch.features[m][place]
    return vector if there(batch, m, place) else torch.zeros_like(vector)


def contrast_oracle(model, batch, level):
    """Eqs. 3 and 5, with R = [t1 a1 v1 t2 ...] of each conversation, or of the batch."""
    config = model.config
    ddm = model.disentanglement
    branch = ddm.modality_branch if level == "modality" else ddm.utterance_branch
    tau = config.modality_temperature if level == "modality" else config.utterance_temperature
    everywhere = places(batch)
    if config.scope == "batch":
        scopes = [everywhere]
    else:
        scopes = [[p for p in everywhere if p[0] == b] for b in range(len(batch))]
    per_item = []
    for scope in scopes:
        listed = []  # (modality number, utterance number, vector or None where absent)
        for number, place in enumerate(scope):
            for which, m in enumerate(config.modalities):
                vector = branch[m](source_vector(model, batch, m, place))
                listed.append((which, number, vector if there(batch, m, place) else None))
        count = len(config.modalities)
        for i, (_, _, own) in enumerate(listed):
            others = [j for j in range(len(listed)) if j != i and listed[j][2] is not None]
            if own is None:
                continue
            if level == "modality":
                positives = [k for k in others if k % count == i % count]
            else:
                positives = [k for k in others if k // count == i // count]
            terms = []
            for k in positives:
                above = torch.exp(cosine(own, listed[k][2]) / tau)
                below = sum(torch.exp(cosine(own, listed[j][2]) / tau) for j in others)
                terms.append(-torch.log(above / below))
            if terms:
                per_item.append(total_or_mean(terms, config.reduction))
    return total_or_mean(per_item, config.reduction)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("scope", ["conversation", "batch"])
@pytest.mark.parametrize("modalities", [MODALITIES, ("text", "video")], ids=["tav", "tv"])
def test_disentanglement(make_model, batch, reduction, scope, modalities):
    model = make_model("df-erc", reduction=reduction, scope=scope, modalities=modalities).eval()
    losses = model(batch).losses
    for level in ("modality", "utterance"):
        expected = contrast_oracle(model, batch, level)
        torch.testing.assert_close(losses[f"contrast_{level}"], expected, atol=1e-5, rtol=1e-4)


def test_sum_over_a_whole_dialogue_is_the_papers(make_model, whole_batch):
    """Without absences the sum runs over n - 1, or 2, positives of all 3n items."""
    model = make_model("df-erc", reduction="sum", modality_temperature=1e6).eval()
    loss = model(whole_batch).losses["contrast_modality"].detach()
    # At an endless temperature every term is log(3n - 1).
    expected = sum(3 * n * (n - 1) * math.log(3 * n - 1) for n in SIZES)
    assert float(loss) == pytest.approx(expected, rel=1e-4)
    model = make_model("df-erc", reduction="sum", utterance_temperature=1e6).eval()
    loss = model(whole_batch).losses["contrast_utterance"].detach()
    expected = sum(3 * n * 2 * math.log(3 * n - 1) for n in SIZES)
    assert float(loss) == pytest.approx(expected, rel=1e-4)


def residual(model, batch, m, place):
    """Eqs. 6-8: m_i = [m^s; m^m; m^u]."""
    source = source_vector(model, batch, m, place)
    ddm = model.disentanglement
    levels = [branch[m](source) for branch in (ddm.modality_branch, ddm.utterance_branch) if branch]
    return torch.cat([source, *levels])


@pytest.mark.parametrize("ablations", [(), ("-Utterance",)])
def test_residual_concatenation(make_model, batch, ablations):
    model = make_model("df-erc", ablations=ablations, drop_branch=True).eval()
    found = model.disentanglement(*model.inputs(batch)).vectors
    for place in places(batch):
        for m in MODALITIES:
            torch.testing.assert_close(found[m][place], residual(model, batch, m, place))


# Eqs. 10-16: contribution


def contribution_oracle(model, batch):
    """Student's weight by modality and place; the terms of L_p and L_q by modality."""
    weights = {m: {} for m in model.config.modalities}
    teacher_terms = {m: [] for m in weights}
    student_terms = {m: [] for m in weights}
    for place in places(batch):
        label = int(batch.labels[place])
        for m in model.config.modalities:
            if not there(batch, m, place):
                weights[m][place] = torch.tensor(0.0)
                continue
            vector = residual(model, batch, m, place)
            score = model.fusion.student[m](vector)[0]
            weights[m][place] = 1 / (1 + torch.exp(-score))
            if label >= 0:
                exponentials = torch.exp(model.fusion.teacher[m](vector))
                true_class = exponentials[label] / exponentials.sum()
                teacher_terms[m].append(-torch.log(true_class))
                student_terms[m].append((true_class - weights[m][place]) ** 2)
    return weights, teacher_terms, student_terms


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_contribution_losses_and_weights(make_model, batch, reduction):
    model = make_model("df-erc", reduction=reduction).eval().requires_grad_(False)
    output = model(batch)
    weights, teacher_terms, student_terms = contribution_oracle(model, batch)
    for m in MODALITIES:
        for place in places(batch):
            torch.testing.assert_close(output.explanation.weights[m][place], weights[m][place])
            if not there(batch, m, place):
                assert float(output.explanation.weights[m][place]) == 0
    for name, terms in zip(CONTRIBUTION, (teacher_terms, student_terms), strict=True):
        expected = sum(total_or_mean(terms[m], reduction) for m in MODALITIES)
        torch.testing.assert_close(output.losses[name], expected)


def test_true_class_probability():
    logits = torch.tensor([[0.0, math.log(3.0)], [math.log(4.0), 0.0]])
    found = true_class_probability(logits, torch.tensor([1, 0]))
    assert found.tolist() == pytest.approx([0.75, 0.8])


@pytest.mark.parametrize("detach", [True, False])
def test_teacher_chases_the_student_only_when_asked_to(make_model, batch, detach):
    model = make_model("df-erc", detach_contribution=detach).eval()
    model(batch).losses["contribution_confidence"].backward()
    teacher = [p.grad for p in model.fusion.teacher.parameters()]
    student = [p.grad for p in model.fusion.student.parameters()]
    assert all((gradient is None) == detach for gradient in teacher)
    assert detach or all(bool((gradient != 0).any()) for gradient in teacher)
    assert all(bool((gradient != 0).any()) for gradient in student)


@pytest.mark.parametrize("modality", MODALITIES)
def test_absent_modality_has_neither_loss_nor_part(make_model, batch, modality):
    model = make_model("df-erc").eval()
    nowhere = batch.present | {modality: torch.zeros_like(batch.mask)}
    without = batch.with_present(nowhere)
    output = model(without)
    assert (output.explanation.weights[modality] == 0).all()
    output.loss.backward()
    gone = [*model.fusion.teacher[modality].parameters()]
    gone += [*model.fusion.student[modality].parameters()]
    gone += [*model.refusion.aligned[modality].parameters()]
    assert all(p.grad is None or (p.grad == 0).all() for p in gone)


def fusion_oracle(model, batch, place, weights):
    """Eq. 16, each modality first through its projection."""
    fused = torch.zeros(model.config.fusion_width)
    for m in model.config.modalities:
        if there(batch, m, place):
            layer = model.fusion.projection[m]
            projected = layer.weight @ residual(model, batch, m, place) + layer.bias
            fused = fused + weights[m][place] * projected
    return fused


def test_fusion(make_model, batch):
    model = make_model("df-erc").eval()
    vectors, present = model.inputs(batch)
    apart = model.disentanglement(vectors, present)
    found = model.fusion(apart.vectors, present, batch.labels).fused
    weights, _, _ = contribution_oracle(model, batch)
    for place in places(batch):
        expected = fusion_oracle(model, batch, place, weights)
        torch.testing.assert_close(found[place], expected, atol=1e-5, rtol=1e-4)
    assert (found[0, 2] == 0).all()  # the utterance without any modality


# Eqs. 17-22: context refusion


def aligned_items(model, batch):
    """Eq. 17: (modality, place) -> x, where present."""
    return {
        (m, place): model.refusion.aligned[m](residual(model, batch, m, place))
        for place in places(batch)
        for m in model.config.modalities
        if there(batch, m, place)
    }


def prototypes_of(gathered, classes, width):
    """Eq. 18 from scratch: the mean of all items of a class so far, and how many there are."""
    mean, count = torch.zeros(classes, width), torch.zeros(classes)
    for k in range(classes):
        own = [item for item, label in gathered if label == k]
        count[k] = len(own)
        if own:
            mean[k] = sum(own) / len(own)
    return mean, count


def prototype_loss_oracle(items, batch, mean, margin):
    """Eq. 19: 1/(3n) sum of max(MSE - beta, 0), absent and unknown not counted."""
    terms = []
    for (_, place), item in items.items():
        label = int(batch.labels[place])
        if label >= 0:
            error = sum((mean[label][d] - item[d]) ** 2 for d in range(len(item))) / len(item)
            terms.append(torch.clamp(error - margin, min=0))
    return sum(terms) / len(terms)


@pytest.mark.parametrize("margin", [0.0, 0.02])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_prototypes_are_a_running_mean_of_an_epoch(make_model, make_examples, margin, reduction):
    """Three steps with changing weights: update first, then the loss; then a new epoch."""
    model = make_model("df-erc", dropout=0.0, prototype_margin=margin, reduction=reduction).train()
    width = model.config.prototype_width
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(2):
        model.start_epoch()
        assert (model.refusion.prototypes.count == 0).all()
        assert (model.refusion.prototypes.mean == 0).all()
        gathered = []
        for step in range(3):
            batch = Collate(None)(make_examples(SIZES, absent=0.3, unknown=0.3, seed=20 + step))
            items = aligned_items(model, batch)
            gathered += [
                (item.detach(), int(batch.labels[place]))
                for (_, place), item in items.items()
                if batch.labels[place] >= 0
            ]
            mean, count = prototypes_of(gathered, 4, width)
            output = model(batch)
            found = model.refusion.prototypes
            torch.testing.assert_close(found.mean, mean, atol=1e-5, rtol=1e-4)
            assert torch.equal(found.count, count)
            expected = prototype_loss_oracle(items, batch, mean, margin)
            torch.testing.assert_close(output.losses["prototype"], expected, atol=1e-6, rtol=1e-4)
            assert float(expected.detach()) > 0
            optimizer.zero_grad()
            output.loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 0.5)
            optimizer.step()


def test_prototypes_stand_still_in_evaluation(make_model, batch):
    model = make_model("df-erc").train()
    model(batch)
    before = {name: value.clone() for name, value in model.refusion.prototypes.state_dict().items()}
    assert set(before) == {"mean", "count"}  # buffers: saved and moved with the model
    model.eval()
    output = model(batch)
    after = model.refusion.prototypes.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())
    items = aligned_items(model, batch)
    expected = prototype_loss_oracle(items, batch, before["mean"], model.config.prototype_margin)
    torch.testing.assert_close(output.losses["prototype"], expected)


def test_margin_of_the_prototype_loss():
    prototypes = EmotionPrototypes(2, 2, margin=0.1)
    prototypes.mean.copy_(torch.tensor([[0.0, 0.0], [1.0, 1.0]]))
    prototypes.count.copy_(torch.tensor([3.0, 0.0]))
    items = torch.tensor([[0.3, 0.3], [1.0, 0.0], [5.0, 5.0]])
    # MSE 0.09 is below beta; 0.5 above by 0.4; class 1 has no prototype yet.
    loss = prototypes(items, torch.tensor([0, 0, 1]))
    assert float(loss) == pytest.approx(0.4 / 3)


def test_prototype_has_no_gradient_of_its_own(make_model, whole_batch):
    """Only the items move towards the prototypes: they are made of detached items."""
    prototypes = EmotionPrototypes(2, 3, margin=0.0)
    items = torch.randn(4, 3, requires_grad=True)
    labels = torch.tensor([0, 0, 1, 0])
    prototypes.update(items, labels)
    assert not prototypes.mean.requires_grad
    prototypes(items, labels).backward()
    expected = 2 * (items - prototypes.mean[labels]) / 3 / 4
    torch.testing.assert_close(items.grad, expected.detach())


def psi_oracle(items, m_names, place):
    """Eq. 20 over the pairs that are present."""
    pairs = [
        cosine(items[one, place], items[other, place])
        for i, one in enumerate(m_names)
        for other in m_names[i + 1 :]
        if (one, place) in items and (other, place) in items
    ]
    return sum(pairs) / len(pairs) if pairs else torch.tensor(0.0)


def test_similarity_of_modalities(make_model, batch):
    model = make_model("df-erc").eval()
    explanation = model(batch).explanation
    items = aligned_items(model, batch)
    counts = set()
    for place in places(batch):
        expected = psi_oracle(items, MODALITIES, place)
        torch.testing.assert_close(explanation.similarity[place], expected)
        torch.testing.assert_close(explanation.context_weight[place], 1 - expected)
        counts.add(sum((m, place) in items for m in MODALITIES))
    assert counts == {0, 1, 2, 3}


def test_similarity_by_hand():
    one, other, third = torch.tensor([[[1.0, 0.0]], [[3.0, 4.0]], [[-2.0, 0.0]]]).unsqueeze(1)
    yes, no = torch.tensor([[True]]), torch.tensor([[False]])
    vectors = {"text": one, "audio": other, "video": third}

    def psi(text, audio, video):
        found = modality_similarity(vectors, {"text": text, "audio": audio, "video": video})
        return float(found)

    assert psi(yes, yes, yes) == pytest.approx((0.6 - 1.0 - 0.6) / 3)
    assert psi(yes, yes, no) == pytest.approx(0.6)
    assert psi(yes, no, yes) == pytest.approx(-1.0)
    assert psi(no, yes, no) == 0
    assert psi(no, no, no) == 0


def whole_oracle(model, batch):
    """Logits by place, following Eqs. 1-23 one conversation at a time."""
    weights, _, _ = contribution_oracle(model, batch)
    items = aligned_items(model, batch)
    logits = {}
    for b in range(len(batch)):
        own = [place for place in places(batch) if place[0] == b]
        fused = torch.stack([fusion_oracle(model, batch, place, weights) for place in own])
        context = model.refusion.context.lstm(fused[None])[0][0]  # checked in test_context_lstm
        for i, place in enumerate(own):
            psi = psi_oracle(items, model.config.modalities, place)
            enhanced = torch.cat([fused[i], (1 - psi) * context[i]])
            logits[place] = model.classifier(enhanced)
    return logits


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_whole_model_and_total_loss(make_model, batch, reduction):
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


def test_settings_are_the_papers():
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


def test_layers_are_as_wide_as_the_specification_says(make_model):
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


# Ablations (Table 2) and modalities (Table 3)


def parameters(model):
    return {name for name, _ in model.named_parameters()}


def group(model, prefix):
    return {name for name in parameters(model) if name.startswith(prefix)}


GONE_LOSSES = {
    "-DDM": CONTRAST,
    "-Utterance": ("contrast_utterance",),
    "-Modality": ("contrast_modality",),
    "-CFM": CONTRIBUTION,
    "-CFM+Att": CONTRIBUTION,
    "-CRM(full)": ("prototype",),
    "-CRM(zero)": ("prototype",),
    "-CRM+Att": ("prototype",),
}


@pytest.mark.parametrize("ablation", ABLATIONS)
def test_lost_terms_are_exactly_zero_and_the_others_stay(make_model, batch, ablation):
    model = make_model("df-erc", ablations=(ablation,), prototype_margin=0.0).train()
    output = model(batch)
    for name, loss in output.losses.items():
        assert (float(loss.detach()) == 0) == (name in GONE_LOSSES[ablation]), name
    output.loss.backward()
    gradients = {
        name: p.grad is not None and bool((p.grad != 0).any())
        for name, p in model.named_parameters()
    }
    assert [name for name, found in gradients.items() if not found] == []
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
def test_dropped_branch_runs(make_model, batch, ablation):
    output = make_model("df-erc", ablations=(ablation,), drop_branch=True)(batch)
    assert torch.isfinite(output.loss)
    for name in GONE_LOSSES[ablation]:
        assert float(output.losses[name]) == 0


def test_no_contribution_fusion_weighs_all_that_is_there_equally(make_model, batch):
    model = make_model("df-erc", ablations=("-CFM",)).eval()
    assert not group(model, "fusion.teacher") | group(model, "fusion.student")
    weights = model(batch).explanation.weights
    for place in places(batch):
        seen = [m for m in MODALITIES if there(batch, m, place)]
        for m in MODALITIES:
            expected = 1 / len(seen) if m in seen else 0.0
            assert float(weights[m][place]) == pytest.approx(expected)


def test_attention_over_modalities(make_model, batch):
    """Self-attention by hand for one utterance; weights are those of a distribution."""
    model = make_model("df-erc", ablations=("-CFM+Att",), attention_heads=2).eval()
    model.requires_grad_(False)
    assert not group(model, "fusion.teacher") | group(model, "fusion.student")
    assert group(model, "fusion.attention")
    vectors, present = model.inputs(batch)
    apart = model.disentanglement(vectors, present)
    fused = model.fusion(apart.vectors, present, batch.labels)
    layer = model.fusion.attention.attention
    width, heads = model.config.fusion_width, 2
    size = width // heads
    for place in places(batch):
        seen = [m for m in MODALITIES if there(batch, m, place)]
        shown = sum(fused.weights[m][place] for m in MODALITIES)
        assert float(shown) == pytest.approx(1.0 if seen else 0.0, abs=1e-5)
        assert all(float(fused.weights[m][place]) == 0 for m in MODALITIES if m not in seen)
        if not seen:
            assert (fused.fused[place] == 0).all()
            continue
        items = [model.fusion.projection[m](apart.vectors[m][place]) for m in seen]
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
        torch.testing.assert_close(fused.fused[place], expected, atol=1e-5, rtol=1e-4)


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
    # Without context an utterance is judged by itself; with it, only one alone is.
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
    whole = model(Collate(None)(examples)).logits
    for row, example in enumerate(examples):
        alone = model(Collate(None)([example])).logits[0]
        torch.testing.assert_close(whole[row, : len(example)], alone, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    "ablations",
    [
        ("-CFM", "-CFM+Att"),
        ("-CRM(full)", "-CRM(zero)"),
        ("-CRM(zero)", "-CRM+Att"),
        ("-CRM(full)", "-CRM+Att"),
    ],
)
def test_contradictory_switches_are_refused(ablations):
    with pytest.raises(ValidationError, match="exclude each other"):
        DfErcConfig(ablations=ablations)


def test_unknown_switch_is_refused():
    with pytest.raises(ValidationError):
        DfErcConfig(ablations=("-XYZ",))


def test_switches_of_different_parts_go_together(make_model, batch):
    model = make_model("df-erc", ablations=("-DDM", "-CFM", "-CRM(zero)"), drop_branch=True)
    losses = model(batch).losses
    gone = {name for name, loss in losses.items() if float(loss.detach()) == 0}
    assert gone == {*CONTRAST, *CONTRIBUTION, "prototype"}
    assert float(losses["emotion"].detach()) > 0


@pytest.mark.parametrize(
    "modalities",
    [("text",), ("audio",), ("video",), ("text", "audio"), ("text", "video"), ("audio", "video")],
    ids="+".join,
)
def test_modality_subsets(make_model, batch, modalities):
    model = make_model("df-erc", modalities=modalities, dropout=0.0).train()
    output = model(batch)
    assert torch.isfinite(output.loss)
    assert set(output.explanation.weights) == set(modalities)
    assert set(model.disentanglement.widths) == set(modalities)
    logits = whole_oracle(model, batch)
    for place in places(batch):
        torch.testing.assert_close(output.logits[place], logits[place], atol=1e-5, rtol=1e-4)
    if len(modalities) == 1:
        assert (output.explanation.similarity == 0).all()
        assert (output.explanation.context_weight == 1).all()  # full context
        assert float(output.losses["contrast_utterance"].detach()) == 0
    output.loss.backward()


# Several processes


def gathered_items(rank):
    """Items of one process; the second has none of class 1."""
    generator = torch.Generator().manual_seed(rank)
    items = torch.randn(3, 5, 4, generator=generator)
    labels = torch.randint(0, 3, (3, 5), generator=generator)
    return items, labels.masked_fill((labels == 1) & (rank == 1), 2)


def update_in_process(rank, folder):
    torch.distributed.init_process_group(
        "gloo",
        init_method=f"file://{folder}/meeting",
        rank=rank,
        world_size=2,
        timeout=timedelta(seconds=120),
    )
    try:
        prototypes = EmotionPrototypes(4, 4, margin=0.1)
        for items, labels in zip(*gathered_items(rank), strict=True):
            prototypes.update(items, labels)
    finally:
        torch.distributed.destroy_process_group()
    torch.save(prototypes.state_dict(), f"{folder}/{rank}.pt")


def update_in_other_process(_, folder):
    torch.set_num_threads(1)
    update_in_process(1, folder)


def test_two_processes_share_their_prototypes(tmp_path):
    other = multiprocessing.spawn(update_in_other_process, (str(tmp_path),), join=False)
    update_in_process(0, str(tmp_path))
    assert other.join(timeout=120)
    gathered = [
        (item, int(label))
        for rank in (0, 1)
        for items, labels in zip(*gathered_items(rank), strict=True)
        for item, label in zip(items, labels, strict=True)
    ]
    mean, count = prototypes_of(gathered, 4, 4)
    alone = EmotionPrototypes(4, 4, margin=0.1)
    alone.update(
        torch.stack([item for item, _ in gathered]), torch.tensor([k for _, k in gathered])
    )
    torch.testing.assert_close(alone.mean, mean)
    for rank in (0, 1):
        found = torch.load(tmp_path / f"{rank}.pt", weights_only=True)
        torch.testing.assert_close(found["mean"], mean)
        assert torch.equal(found["count"], count)
