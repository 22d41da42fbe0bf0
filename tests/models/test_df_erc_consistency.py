"""Modalities that always contradict the others: a slow implementation, and their weights."""

import math
from dataclasses import replace
from itertools import product

import pytest
import torch

from mmerc.models.df_erc.consistency import ModalityConsistency
from mmerc.models.inputs import encode_windows
from mmerc.prediction.run_model import _run_batch

CLASSES = 4
NAMES = ("text", "audio", "video")
COUNTS = [9, 3, 2, 1]


def make_judge(*, causal=False):
    judge = ModalityConsistency(classes=CLASSES, causal=causal)
    judge.fit(torch.tensor(COUNTS))
    return judge


def confident_logits(classes, certainty=2.0):
    """Logits of a classifier that predicts these classes. Shape: [1, N] -> [1, N, K].

    Its evidence counts relative to the frequencies in its training.
    """
    usual = torch.tensor([count + 1.0 for count in COUNTS]).log()
    return usual + certainty * torch.nn.functional.one_hot(classes, CLASSES).float()


def emotions(length, seed):
    return torch.randint(CLASSES, (1, length), generator=torch.Generator().manual_seed(seed))


def all_present(length):
    return {m: torch.ones(1, length, dtype=torch.bool) for m in NAMES}


def slow_kept(logits, present, last):
    """The modalities to keep, judged from the utterances before ``last``."""
    total = sum(COUNTS) + CLASSES
    training = [(count + 1) / total for count in COUNTS]

    def chances(m, n):
        powers = [math.exp(float(value)) for value in logits[m][0, n]]
        pairs = zip(powers, training, strict=True)
        return [0.95 * power / sum(powers) + 0.05 * share for power, share in pairs]

    seen = [(m, n) for m in NAMES for n in range(last) if present[m][0, n]]
    usual = training
    for _ in range(10):
        sums = [10 * share for share in training]
        for m, n in seen:
            triples = zip(chances(m, n), training, usual, strict=True)
            given = [p / before * now for p, before, now in triples]
            sums = [old + new / sum(given) for old, new in zip(sums, given, strict=True)]
        usual = [value / (len(seen) + 10) for value in sums]

    def ratios(m, n, trust):
        if not present[m][0, n]:
            return [1.0] * CLASSES
        triples = zip(chances(m, n), training, usual, strict=True)
        own = [p / before * now for p, before, now in triples]
        own = [value / sum(own) for value in own]
        tempered = [u * (p / u) ** trust for p, u in zip(own, usual, strict=True)]
        return [t / sum(tempered) / u for t, u in zip(tempered, usual, strict=True)]

    best, chosen = -math.inf, None
    for trusts in product((0.0, 0.5, 1.0), repeat=3):
        evidence = 1e-4 * sum((trust > 0) * (3 - i) for i, trust in enumerate(trusts))
        for n in range(last):
            parts = [ratios(m, n, trust) for m, trust in zip(NAMES, trusts, strict=True)]
            evidence += math.log(
                sum(u * a * b * c for u, a, b, c in zip(usual, *parts, strict=True))
            )
        if evidence > best:
            best, chosen = evidence, trusts
    return {m for m, trust in zip(NAMES, chosen, strict=True) if trust > 0}


@pytest.mark.parametrize("seed", range(6))
def test_equals_a_slow_reference(seed):
    length = 45
    generator = torch.Generator().manual_seed(seed)
    shared, other = emotions(length, seed), emotions(length, seed + 100)
    logits = {
        m: confident_logits(shared) + torch.randn(1, length, CLASSES, generator=generator)
        for m in NAMES
    }
    logits[NAMES[seed % 3]] = confident_logits(other) + torch.randn(
        1, length, CLASSES, generator=generator
    )
    present = {m: torch.rand(1, length, generator=generator) < 0.97 for m in NAMES}
    kept = make_judge()(logits, present)
    expected = slow_kept(logits, present, length)
    for m in NAMES:
        assert torch.equal(kept[m], present[m] & (m in expected))


@pytest.mark.parametrize("stranger", NAMES)
def test_disagreeing_modality_is_left_out(stranger):
    logits = {m: confident_logits(emotions(60, 1 if m == stranger else 0)) for m in NAMES}
    kept = make_judge()(logits, all_present(60))
    assert {m for m in NAMES if kept[m].any()} == set(NAMES) - {stranger}


def test_agreeing_modalities_are_kept_at_any_confidence():
    for certainty in (0.5, 2.0, 8.0):
        shared = emotions(60, 0)
        wrong = torch.rand(3, 60, generator=torch.Generator().manual_seed(3)) < 0.4
        logits = {
            m: confident_logits(torch.where(wrong[i], emotions(60, i + 5), shared), certainty)
            for i, m in enumerate(NAMES)
        }
        kept = make_judge()(logits, all_present(60))
        assert all(kept[m].all() for m in NAMES)


def test_short_conversations_are_not_judged():
    logits = {m: confident_logits(emotions(39, i)) for i, m in enumerate(NAMES)}
    assert all(mask.all() for mask in make_judge()(logits, all_present(39)).values())


def test_text_is_kept_if_nothing_agrees():
    logits = {m: confident_logits(emotions(200, i), 6.0) for i, m in enumerate(NAMES)}
    kept = make_judge()(logits, all_present(200))
    assert [bool(kept[m].any()) for m in NAMES] == [True, False, False]


def test_causal_judgement_ignores_later_utterances():
    logits = {m: confident_logits(emotions(90, 1 if m == "video" else 0)) for m in NAMES}
    judge = make_judge(causal=True)
    whole = judge(logits, all_present(90))
    start = judge({m: x[:, :50] for m, x in logits.items()}, all_present(50))
    for m in NAMES:
        assert torch.equal(whole[m][:, :50], start[m])
    assert whole["video"][0, :39].all()
    assert not whole["video"][0, 60:].any()


def test_single_modality_is_kept():
    present = {"text": torch.rand(1, 60) < 0.5}
    assert make_judge()({"text": confident_logits(emotions(60, 0))}, present) is present


@pytest.fixture
def consistency_model(make_model):
    """A model whose classifiers use the first values of the vectors as logits."""
    model = make_model("df-erc", consistency=True, dropout=0.0).eval()
    classes = len(model.labels)
    with torch.no_grad():
        for first, _, _, second in model.fusion.teacher.values():
            for parameter in (*first.parameters(), *second.parameters()):
                parameter.zero_()
            # x = relu(x) - relu(-x)
            for rows, sign in ((slice(classes), 1), (slice(classes, 2 * classes), -1)):
                first.weight[rows, :classes] = sign * torch.eye(classes)
                second.weight[:, rows] = sign * torch.eye(classes)
    return model


def contradictory_batch(make_batch, model, length=60):
    """A conversation whose face shows other emotions than text and voice."""
    batch, classes = make_batch((length,)), len(model.labels)
    shared = torch.randint(classes, (length,), generator=torch.Generator().manual_seed(0))
    other = torch.randint(classes, (length,), generator=torch.Generator().manual_seed(1))
    features = {}
    for m, vectors in batch.features.items():
        named = other if m == "video" else shared
        features[m] = vectors.clone()
        features[m][0, :, :classes] = 4 * torch.nn.functional.one_hot(named, classes).float()
    return replace(
        batch,
        features=features,
        present={m: torch.ones_like(mask) for m, mask in batch.present.items()},
    )


def test_model_predicts_as_if_the_modality_were_absent(consistency_model, make_batch):
    batch = contradictory_batch(make_batch, consistency_model)
    without = batch.with_present(
        {**batch.present, "video": torch.zeros_like(batch.present["video"])}
    )
    with torch.no_grad():
        output, expected = consistency_model(batch), consistency_model(without)
    torch.testing.assert_close(output.logits, expected.logits)
    assert not output.explanation.weights["video"].any()


def test_training_sees_every_modality(consistency_model, make_batch):
    batch = contradictory_batch(make_batch, consistency_model)
    left_out = consistency_model(batch).logits
    trained = consistency_model.train()(batch).logits
    consistency_model.consistency = None
    torch.testing.assert_close(trained, consistency_model.eval()(batch).logits)
    assert not torch.allclose(trained, left_out)


def test_prediction_reports_what_was_left_out(consistency_model, make_batch):
    batch = contradictory_batch(make_batch, consistency_model)
    with torch.no_grad():
        output = _run_batch(consistency_model, batch, effects=True, window_encoder=encode_windows)
    assert output.left_out["video"].all()
    assert not output.left_out["text"].any()
    assert output.effects["video"].isnan().all()
    assert consistency_model.consistency is not None  # the model itself is unchanged
