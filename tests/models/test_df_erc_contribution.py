"""DF-ERC, Eqs. 10-16: teacher and student of a modality's contribution, and weighted fusion."""

import math

import pytest
import torch
from df_erc_oracles import (
    CONTRIBUTION,
    contribution_oracle,
    fusion_oracle,
    is_present,
    places,
    total_or_mean,
)

from mmerc.conversation import MODALITIES
from mmerc.models.df_erc.contribution import true_class_probability


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_contribution_losses_and_weights(make_model, batch, reduction):
    model = make_model("df-erc", reduction=reduction).eval().requires_grad_(False)
    output = model(batch)
    weights, teacher_terms, student_terms = contribution_oracle(model, batch)
    for m in MODALITIES:
        for place in places(batch):
            torch.testing.assert_close(output.explanation.weights[m][place], weights[m][place])
            if not is_present(batch, m, place):
                assert float(output.explanation.weights[m][place]) == 0
    for name, terms in zip(CONTRIBUTION, (teacher_terms, student_terms), strict=True):
        expected = sum(total_or_mean(terms[m], reduction) for m in MODALITIES)
        torch.testing.assert_close(output.losses[name], expected)


def test_true_class_probability():
    logits = torch.tensor([[0.0, math.log(3.0)], [math.log(4.0), 0.0]])
    actual = true_class_probability(logits, torch.tensor([1, 0]))
    assert actual.tolist() == pytest.approx([0.75, 0.8])


@pytest.mark.parametrize("detach", [True, False])
def test_teacher_follows_the_student_only_on_request(make_model, batch, detach):
    model = make_model("df-erc", detach_contribution=detach).eval()
    model(batch).losses["contribution_confidence"].backward()
    teacher = [p.grad for p in model.fusion.teacher.parameters()]
    student = [p.grad for p in model.fusion.student.parameters()]
    assert all((gradient is None) == detach for gradient in teacher)
    assert detach or all(bool((gradient != 0).any()) for gradient in teacher)
    assert all(bool((gradient != 0).any()) for gradient in student)


@pytest.mark.parametrize("modality", MODALITIES)
def test_absent_modality_has_no_loss_and_no_weight(make_model, batch, modality):
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


def test_fusion(make_model, batch):
    model = make_model("df-erc").eval()
    packing, vectors, present = model.pack_inputs(batch)
    apart = model.disentanglement(vectors, present, packing)
    fused = model.fusion(apart.vectors, present, packing.pack(batch.labels)).fused
    actual = packing.unpack(fused)
    weights, _, _ = contribution_oracle(model, batch)
    for place in places(batch):
        expected = fusion_oracle(model, batch, place, weights)
        torch.testing.assert_close(actual[place], expected, atol=1e-5, rtol=1e-4)
    assert (actual[0, 2] == 0).all()  # the utterance without any modality
