"""Modalities that always contradict the others: a slow implementation, and their weights."""

import math
from dataclasses import replace
from itertools import combinations, product

import pytest
import torch

from mmerc.models.df_erc.consistency import ModalityConsistency
from mmerc.models.inputs import encode_windows
from mmerc.prediction.averaging import predict_probabilities
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


def slow_weights(logits, present, last):
    """The weight of each set of modalities, judged from the utterances before ``last``."""
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

    def evidence(modalities, trusts):
        summed = 0.0
        for n in range(last):
            shares = list(usual)
            for m, trust in zip(modalities, trusts, strict=True):
                shares = [s * r for s, r in zip(shares, ratios(m, n, trust), strict=True)]
            summed += math.log(sum(shares))
        return summed

    occurring = [m for m in NAMES if any(name == m for name, _ in seen)]
    sets = [s for size in (2, 3) for s in combinations(occurring, size)]
    if len(occurring) < 3:
        sets.append((occurring[0],))
    exponents = {}
    for modalities in sets:
        trusts = product((0.5, 1.0), repeat=len(modalities))
        exponents[modalities] = max(evidence(modalities, each) for each in trusts) / 0.5
    highest = max(exponents.values())
    powers = {s: math.exp(value - highest) for s, value in exponents.items()}
    shares = {s: power / sum(powers.values()) for s, power in powers.items()}
    kept = {s: share for s, share in shares.items() if share >= 1e-3}
    return {s: share / sum(kept.values()) for s, share in kept.items()}


def assert_weights(actual, expected):
    for modalities, weight in actual.items():
        wanted = torch.full_like(weight[0], expected.get(modalities, 0.0))
        torch.testing.assert_close(weight[0], wanted, atol=2e-4, rtol=0)


@pytest.mark.parametrize("certainty", [0.3, 2.0])
@pytest.mark.parametrize("seed", range(6))
def test_equals_a_slow_reference(seed, certainty):
    length = 25
    generator = torch.Generator().manual_seed(seed)
    shared, other = emotions(length, seed), emotions(length, seed + 100)
    logits = {
        m: confident_logits(other if m == NAMES[seed % 3] else shared, certainty)
        + torch.randn(1, length, CLASSES, generator=generator)
        for m in NAMES
    }
    present = {m: torch.rand(1, length, generator=generator) < 0.97 for m in NAMES}
    weights = make_judge()(logits, present)
    assert_weights(weights, slow_weights(logits, present, length))


def test_weights_are_shared_if_the_evidence_is_weak():
    """Otherwise the slow reference would only be compared on sets with a weight of 0 or 1."""
    logits = {m: confident_logits(emotions(25, i), 0.3) for i, m in enumerate(NAMES)}
    weights = torch.stack(list(make_judge()(logits, all_present(25)).values()))
    assert weights.max() < 0.9
    torch.testing.assert_close(weights.sum(0), torch.ones(1, 25))


@pytest.mark.parametrize("missing", NAMES)
def test_sets_have_only_modalities_of_the_conversation(missing):
    logits = {m: confident_logits(emotions(30, i), 0.5) for i, m in enumerate(NAMES)}
    present = all_present(30) | {missing: torch.zeros(1, 30, dtype=torch.bool)}
    weights = make_judge()(logits, present)
    first, second = (m for m in NAMES if m != missing)
    assert {s for s, weight in weights.items() if weight.any()} == {(first,), (first, second)}
    assert_weights(weights, slow_weights(logits, present, 30))


@pytest.mark.parametrize("stranger", NAMES)
def test_disagreeing_modality_gets_no_weight(stranger):
    logits = {m: confident_logits(emotions(60, 1 if m == stranger else 0)) for m in NAMES}
    weights = make_judge()(logits, all_present(60))
    assert weights[tuple(m for m in NAMES if m != stranger)].gt(0.95).all()
    assert all(not weight.gt(0.05).any() for s, weight in weights.items() if stranger in s)


def test_agreeing_modalities_are_kept_at_any_confidence():
    for certainty in (0.5, 2.0, 8.0):
        shared = emotions(60, 0)
        wrong = torch.rand(3, 60, generator=torch.Generator().manual_seed(3)) < 0.4
        logits = {
            m: confident_logits(torch.where(wrong[i], emotions(60, i + 5), shared), certainty)
            for i, m in enumerate(NAMES)
        }
        assert make_judge()(logits, all_present(60))[NAMES].gt(0.5).all()


def test_short_conversations_are_not_judged():
    logits = {m: confident_logits(emotions(19, i)) for i, m in enumerate(NAMES)}
    assert make_judge()(logits, all_present(19))[NAMES].eq(1).all()


@pytest.mark.parametrize("missing", NAMES)
def test_first_of_two_contradicting_modalities_is_used(missing):
    logits = {m: confident_logits(emotions(200, i), 6.0) for i, m in enumerate(NAMES)}
    present = all_present(200) | {missing: torch.zeros(1, 200, dtype=torch.bool)}
    first = next(m for m in NAMES if m != missing)
    assert make_judge()(logits, present)[(first,)].eq(1).all()


def test_causal_judgement_ignores_later_utterances():
    logits = {m: confident_logits(emotions(90, 1 if m == "video" else 0)) for m in NAMES}
    judge = make_judge(causal=True)
    whole = judge(logits, all_present(90))
    start = judge({m: x[:, :50] for m, x in logits.items()}, all_present(50))
    for modalities, weight in whole.items():
        torch.testing.assert_close(weight[:, :50], start[modalities])
    assert whole[NAMES][0, :19].eq(1).all()
    assert whole[NAMES][0, 60:].lt(0.3).all()


def test_single_modality_has_all_weight():
    present = {"text": torch.rand(1, 60) < 0.5}
    weights = make_judge()({"text": confident_logits(emotions(60, 0))}, present)
    assert weights[("text",)].eq(1).all()


def test_conversation_without_any_modality_is_not_judged():
    logits = {m: confident_logits(emotions(30, i)) for i, m in enumerate(NAMES)}
    nothing = {m: torch.zeros(1, 30, dtype=torch.bool) for m in NAMES}
    assert make_judge()(logits, nothing)[NAMES].eq(1).all()


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
        expected = consistency_model(without).logits.softmax(-1)
        torch.testing.assert_close(predict_probabilities(consistency_model, batch), expected)


def test_prediction_reports_what_was_left_out(consistency_model, make_batch):
    batch = contradictory_batch(make_batch, consistency_model)
    with torch.no_grad():
        output = _run_batch(consistency_model, batch, effects=True, window_encoder=encode_windows)
    assert output.left_out["video"].all()
    assert not output.left_out["text"].any()
    assert output.effects["video"].isnan().all()
    assert output.weights["video"].isnan().all()
    assert not output.used["video"].any()


def test_training_sees_every_modality(consistency_model, make_batch):
    batch = contradictory_batch(make_batch, consistency_model)
    trained = consistency_model.train()(batch).logits
    consistency_model.consistency = None
    torch.testing.assert_close(trained, consistency_model.eval()(batch).logits)
