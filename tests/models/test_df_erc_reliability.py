"""The reliability gate, against a slow form, and what it is for: a modality that misleads."""

import math

import pytest
import torch

from mmerc.models.df_erc.reliability import ReliabilityGate

CLASSES, HIDDEN = 3, 4
NAMES = ("text", "audio", "video")


def make_gate(*, causal=False):
    torch.manual_seed(0)
    gate = ReliabilityGate(NAMES, classes=CLASSES, hidden=HIDDEN, causal=causal)
    gate.fit(torch.tensor([6, 2, 1]))
    return gate


def random_inputs(length=6, *, absent=0.3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    shape = (1, length)
    logits = {m: 3 * torch.randn(*shape, CLASSES, generator=generator) for m in NAMES}
    estimates = {m: torch.rand(shape, generator=generator) for m in NAMES}
    present = {m: torch.rand(shape, generator=generator) >= absent for m in NAMES}
    return logits, estimates, present


def smoothed(logits, frequencies):
    total = sum(math.exp(value) for value in logits)
    pairs = zip(logits, frequencies, strict=True)
    return [0.95 * math.exp(value) / total + 0.05 * share for value, share in pairs]


def evidence_slowly(modality, at, logits, estimates, present, *, causal):
    """The seven numbers of one modality at one utterance."""
    frequencies = [7 / 12, 3 / 12, 2 / 12]

    def chances(m, n):
        return smoothed(logits[m][0, n].tolist(), frequencies)

    def agreement(other, n):
        if not (present[modality][0, n] and present[other][0, n]):
            return 0.0, 0
        pairs = zip(chances(modality, n), chances(other, n), frequencies, strict=True)
        return math.log(sum(p * q / share for p, q, share in pairs)), 1

    last = at + 1 if causal else logits[modality].shape[1]
    ratios, averages, sums = [], [], []
    for other in NAMES:
        if other == modality:
            continue
        values = [agreement(other, n) for n in range(last)]
        total, count = sum(v for v, _ in values), sum(c for _, c in values)
        ratios.append(agreement(other, at)[0])
        averages.append(total / (count + 5))
        sums.append(math.tanh(total / 5))
    own = chances(modality, at)
    return [
        float(estimates[modality][0, at]),
        sum(p * math.log(p) for p in own),
        sum(ratios) / 2,
        sum(averages) / 2,
        max(averages),
        sum(sums) / 2,
        max(sums),
    ]


@pytest.mark.parametrize("causal", [False, True])
def test_equals_the_slow_form(causal):
    gate = make_gate(causal=causal)
    logits, estimates, present = random_inputs()
    weights = gate(logits, estimates, present)
    for n in range(6):
        scores = {}
        for m in NAMES:
            if present[m][0, n]:
                row = evidence_slowly(m, n, logits, estimates, present, causal=causal)
                scores[m] = math.exp(float(gate.scores[m](torch.tensor(row)).detach()))
        for m in NAMES:
            expected = scores.get(m, 0.0) / sum(scores.values()) if scores else 0.0
            assert float(weights[m][0, n].detach()) == pytest.approx(expected, abs=1e-5)


def test_weights_sum_to_1_over_what_is_present_and_are_0_elsewhere():
    gate = make_gate()
    logits, estimates, present = random_inputs(40, absent=0.5)
    weights = gate(logits, estimates, present)
    total = sum(weights.values())
    anything = present["text"] | present["audio"] | present["video"]
    torch.testing.assert_close(total, anything.float())
    for m in NAMES:
        assert not weights[m][~present[m]].any()


def test_padding_and_other_conversations_change_nothing():
    gate = make_gate()
    logits, estimates, present = random_inputs(6)
    longer = {m: torch.cat([x, 9 * torch.randn(1, 3, CLASSES)], 1) for m, x in logits.items()}
    padded = {m: torch.cat([x, torch.rand(1, 3)], 1) for m, x in estimates.items()}
    absent = {m: torch.cat([x, torch.zeros(1, 3, dtype=torch.bool)], 1) for m, x in present.items()}
    alone, together = gate(logits, estimates, present), gate(longer, padded, absent)
    for m in NAMES:
        torch.testing.assert_close(together[m][:, :6], alone[m])


def test_a_causal_gate_does_not_see_what_follows():
    gate = make_gate(causal=True)
    logits, estimates, present = random_inputs(10)
    whole = gate(logits, estimates, present)
    start = gate(*({m: x[:, :4] for m, x in part.items()} for part in (logits, estimates, present)))
    for m in NAMES:
        torch.testing.assert_close(whole[m][:, :4], start[m])


def test_a_modality_that_keeps_disagreeing_shows_in_the_evidence():
    """Text and voice agree on random emotions, the face shows others at random."""
    gate, length = make_gate(), 30
    emotions = torch.randint(CLASSES, (1, length), generator=torch.Generator().manual_seed(1))
    others = torch.randint(CLASSES, (1, length), generator=torch.Generator().manual_seed(2))

    def sure(classes):
        return 4 * torch.nn.functional.one_hot(classes, CLASSES).float()

    logits = {"text": sure(emotions), "audio": sure(emotions), "video": sure(others)}
    present = {m: torch.ones(1, length, dtype=torch.bool) for m in NAMES}
    chances = {m: gate.smooth(x.softmax(-1)) for m, x in logits.items()}
    best = {m: gate.agreement(m, chances, present)[-1][0, 0] for m in NAMES}
    assert best["text"] == best["audio"] > 0.9
    assert best["video"] < 0


def test_a_single_modality_has_all_the_weight():
    gate = ReliabilityGate(("text",), classes=CLASSES, hidden=HIDDEN, causal=False)
    logits, estimates, present = random_inputs(5, absent=0.0)
    weights = gate({"text": logits["text"]}, {"text": estimates["text"]}, {"text": present["text"]})
    torch.testing.assert_close(weights["text"], torch.ones(1, 5))
