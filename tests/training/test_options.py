"""Weight averaging, R-Drop, modality dropout, and loss terms for rare classes."""

import json
import math
from types import SimpleNamespace

import pytest
import torch
from run_files import history, weights
from safetensors.torch import load_file

from mmerc.evaluation.predictions import Predictions
from mmerc.models.df_erc.model import DfErc
from mmerc.models.registry import load_model
from mmerc.training import module as module_file
from mmerc.training.module import TrainingModule, _consistency_loss
from mmerc.training.recipe import TrainingConfig, change_recipe
from mmerc.training.run import train_run
from mmerc.training.scoring import predict_corpus

TOGETHER = {
    "weight_averaging": 0.7, "consistency": 0.5, "modality_dropout": 0.3, "patience": 2,
}  # fmt: skip


def copied(state):
    return {name: tensor.detach().clone() for name, tensor in state.items()}


def close(actual, expected):
    assert actual.keys() == expected.keys()
    for name in expected:
        torch.testing.assert_close(actual[name], expected[name], msg=lambda m, n=name: f"{n}: {m}")


# Weight averaging


def averaged(states, decay, parameters):
    """Moving average of the parameters; buffers are the newest."""
    mean = dict(states[0])
    for state in states[1:]:
        mean = {
            name: decay * mean[name] + (1 - decay) * tensor if name in parameters else tensor
            for name, tensor in state.items()
        }
    return mean


def parameter_names(model):
    return {name for name, _ in model.named_parameters()}


@pytest.mark.parametrize("decay", [0.25, 0.9])
def test_average_of_three_steps_matches_a_calculation_by_hand(make_model, decay):
    model = make_model("df-erc").train()
    module = TrainingModule(model, TrainingConfig(weight_averaging=decay), seed=0)
    module._trainer = SimpleNamespace(estimated_stepping_batches=3)
    generator, states = torch.Generator().manual_seed(0), []
    for step in range(3):
        with torch.no_grad():
            for tensor in model.state_dict().values():
                tensor.add_(torch.randn(tensor.shape, generator=generator))
        states.append(copied(model.state_dict()))
        module.on_train_batch_end(None, None, step)
    expected = averaged(states, decay, parameter_names(model))
    close(module.chosen.state_dict(), expected)
    close(model.state_dict(), states[-1])  # the trained weights are unchanged
    assert module.chosen is not model


def test_without_averaging_the_model_itself_is_chosen(make_model):
    model = make_model("df-erc")
    module = TrainingModule(model, TrainingConfig(), seed=0)
    module.on_train_batch_end(None, None, 0)
    assert module.averaged is None
    assert module.chosen is model


@pytest.fixture
def steps(monkeypatch):
    """State of the trained model after every step."""
    seen = []

    def recorded(self, outputs, batch, batch_idx, kept=TrainingModule.on_train_batch_end):
        kept(self, outputs, batch, batch_idx)
        seen.append(copied(self.model.state_dict()))

    monkeypatch.setattr(TrainingModule, "on_train_batch_end", recorded)
    return seen


def test_better_of_averaged_and_newest_weights_is_kept(train, steps, small_corpus, tmp_path):
    result = train(tmp_path / "run", epochs=1, weight_averaging=0.8)
    assert len(steps) == 3
    folder = tmp_path / "run" / "seed-0"
    model = load_model(folder / "model")
    (row,) = history(tmp_path / "run")
    candidates = {"averaged": averaged(steps, 0.8, parameter_names(model)), "raw": steps[-1]}
    scores = {name: float(row[f"valid_weighted_f1_{name}"]) for name in candidates}
    better = "raw" if scores["raw"] > scores["averaged"] else "averaged"
    close(load_file(folder / "model" / "model.safetensors"), candidates.pop(better))
    kept = Predictions.load(folder / "predictions-valid.parquet")
    (other,) = candidates.values()
    model.load_state_dict(other)
    assert (predict_corpus(model, small_corpus, "valid").probabilities != kept.probabilities).any()
    valid = result["seeds"][0]["valid"]
    assert float(row["valid_weighted_f1"]) == pytest.approx(valid["weighted_f1"], abs=1e-3)
    assert float(row["valid_accuracy"]) == pytest.approx(valid["accuracy"], abs=1e-3)


def test_averaging_does_not_change_training(train, steps, tmp_path):
    train(tmp_path / "plain")
    plain = list(steps)
    steps.clear()
    train(tmp_path / "averaged", weight_averaging=0.9)
    for one, other in zip(plain, steps, strict=True):
        assert all(torch.equal(one[name], other[name]) for name in one)
    losses = [
        [row["train_loss"] for row in history(tmp_path / name)] for name in ("plain", "averaged")
    ]
    assert losses[0] == losses[1]
    assert weights(tmp_path / "plain") != weights(tmp_path / "averaged")


class Stop(Exception):
    pass


@pytest.mark.parametrize("training", [{"weight_averaging": 0.7}, TOGETHER], ids=["alone", "all"])
@pytest.mark.parametrize("epoch", [1, 2])
def test_resumed_run_continues_averaging(train, tmp_path, training, epoch):
    def report(line):
        if f"epoch {epoch}/" in line:
            raise Stop

    train(tmp_path / "whole", **training)
    with pytest.raises(Stop):
        train(tmp_path / "broken", report=report, **training)
    train(tmp_path / "broken", resume=True, **training)
    assert weights(tmp_path / "broken") == weights(tmp_path / "whole")
    assert history(tmp_path / "broken") == history(tmp_path / "whole")


# Consistency (R-Drop)


def test_consistency_equals_a_loop():
    generator = torch.Generator().manual_seed(0)
    first, second = torch.randn(2, 3, 5, 4, generator=generator)
    labels = torch.randint(0, 4, (3, 5), generator=generator)
    labels[0, 3:] = labels[2, 1] = -100
    terms = []
    for b in range(3):
        for i in range(5):
            if labels[b, i] < 0:
                continue
            p, q = (
                [math.exp(x) / sum(math.exp(y) for y in z[b, i].tolist()) for x in z[b, i].tolist()]
                for z in (first, second)
            )
            one = sum(a * math.log(a / c) for a, c in zip(p, q, strict=True))
            other = sum(c * math.log(c / a) for a, c in zip(p, q, strict=True))
            terms.append((one + other) / 2)
    expected = sum(terms) / len(terms)
    assert float(_consistency_loss(first, second, labels)) == pytest.approx(expected, rel=1e-5)
    assert float(_consistency_loss(second, first, labels)) == pytest.approx(expected, rel=1e-5)


def test_consistency_of_equal_passes_is_zero():
    logits = torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(1))
    labels = torch.tensor([[0, 1, -100], [2, 3, 0]])
    assert float(_consistency_loss(logits, logits.clone(), labels)) == 0
    shifted = logits + torch.randn(2, 3, 1, generator=torch.Generator().manual_seed(2))
    assert float(_consistency_loss(logits, shifted, labels)) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("scale", [1, 1e4])
def test_consistency_stays_finite(scale):
    first = (scale * torch.tensor([[[1.0, -1.0], [0.0, 0.0]]])).requires_grad_()
    second = scale * torch.tensor([[[-1.0, 1.0], [5.0, 5.0]]])
    loss = _consistency_loss(first, second, torch.tensor([[0, -100]]))
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(first.grad).all()
    assert (first.grad[0, 1] == 0).all()
    nothing = _consistency_loss(first, second, torch.tensor([[-100, -100]]))
    assert float(nothing.detach()) == 0


@pytest.fixture
def passes(monkeypatch):
    """Batch, output and mode of every pass through DF-ERC."""
    seen = []

    def recorded(self, batch, kept=DfErc.forward):
        output = kept(self, batch)
        seen.append((self.training, batch, output))
        return output

    monkeypatch.setattr(DfErc, "forward", recorded)
    return seen


def test_both_passes_lack_the_same_modalities(train, passes, monkeypatch, tmp_path):
    dropped = []

    def counted(batch, rate, kept=module_file._drop_modalities):
        dropped.append((batch, rate))
        return kept(batch, rate)

    monkeypatch.setattr(module_file, "_drop_modalities", counted)
    train(tmp_path / "run", epochs=1, consistency=1.0, modality_dropout=0.5)
    training = [(batch, output) for mode, batch, output in passes if mode]
    assert len(training) == 2 * len(dropped) == 6
    assert {rate for _, rate in dropped} == {0.5}
    fewer = 0
    for step, (whole, _) in enumerate(dropped):
        (first, one), (second, other) = training[2 * step : 2 * step + 2]
        assert all(torch.equal(first.present[m], second.present[m]) for m in whole.present)
        fewer += sum(int((whole.present[m] & ~first.present[m]).sum()) for m in whole.present)
        assert not torch.equal(one.logits, other.logits)  # other dropout
    assert fewer > 0
    validated = [batch for mode, batch, _ in passes if not mode]
    assert validated
    assert all(
        torch.equal(batch.present[m], batch.features[m].abs().sum(-1) > 0)
        for batch in validated
        for m in batch.present
    )


def test_loss_is_the_mean_of_both_passes_and_the_weighted_difference(
    make_model, make_batch, passes
):
    module = TrainingModule(
        make_model("df-erc").train(), TrainingConfig(consistency=0.4), seed=0
    ).train()
    batch = make_batch((3, 1, 4), absent=0.2, unknown=0.2)
    module.mean_labelled = int((batch.labels >= 0).sum())  # this batch is a complete epoch
    torch.manual_seed(0)
    loss = module.training_step(batch, 0)
    (_, _, one), (_, _, other) = passes
    difference = _consistency_loss(one.logits, other.logits, batch.labels)
    torch.testing.assert_close(loss, (one.loss + other.loss) / 2 + 0.4 * difference)
    assert float(difference.detach()) > 0
    means = module.loss_means.compute()
    torch.testing.assert_close(means["train_consistency"], difference.detach())
    torch.testing.assert_close(means["train_loss"], loss.detach())


def test_passes_are_equal_without_dropout(tiny_recipe, small_corpus, tmp_path):
    for dropout, name in ((0.0, "none"), (0.3, "some")):
        recipe = change_recipe(tiny_recipe(epochs=1, consistency=1.0), {"model.dropout": dropout})
        train_run(recipe, small_corpus, tmp_path / name, report=lambda line: None)
        (row,) = history(tmp_path / name)
        assert (float(row["train_consistency"]) == 0) == (name == "none")


def test_one_pass_per_step_without_consistency(train, passes, tmp_path):
    train(tmp_path / "run", epochs=1)
    assert sum(mode for mode, _, _ in passes) == 3
    assert "train_consistency" not in history(tmp_path / "run")[0]


# Terms for rare classes

TERMS = {"class_balance": 0.9, "focus": 2.0, "label_smoothing": 0.1}


def emotion_oracle(logits, labels, counts, *, class_balance=0, focus=0, label_smoothing=0):
    """Focal, smoothed, class-balanced cross-entropy, item by item."""
    raw = [(1 - class_balance) / (1 - class_balance**n) if n else 0 for n in counts]
    mean = sum(w * n for w, n in zip(raw, counts, strict=True)) / sum(counts)
    terms = []
    for row, label in zip(logits.flatten(0, -2).tolist(), labels.flatten().tolist(), strict=True):
        if label < 0:
            continue
        total = sum(math.exp(x) for x in row)
        p = [math.exp(x) / total for x in row]
        target = [label_smoothing / len(p) + (1 - label_smoothing) * (k == label)
                  for k in range(len(p))]  # fmt: skip
        loss = -sum(t * math.log(q) for t, q in zip(target, p, strict=True))
        terms.append(loss * (1 - p[label]) ** focus * (raw[label] / mean if class_balance else 1))
    return sum(terms) / len(terms)


@pytest.mark.parametrize("names", [[], *([name] for name in TERMS), list(TERMS)], ids=str)
def test_terms_of_a_recipe_reach_the_loss(tiny_recipe, small_corpus, passes, tmp_path, names):
    chosen = {name: TERMS[name] for name in names}
    recipe = change_recipe(
        tiny_recipe(epochs=1), {f"model.{name}": value for name, value in chosen.items()}
    )
    train_run(recipe, small_corpus, tmp_path / "run", report=lambda line: None)
    labels = [u.label for c in small_corpus.splits["train"] for u in c.utterances]
    counts = [labels.count(name) for name in small_corpus.labels]
    for _, batch, output in (item for item in passes if item[0]):
        expected = emotion_oracle(output.logits.detach(), batch.labels, counts, **chosen)
        assert float(output.losses["emotion"].detach()) == pytest.approx(expected, rel=1e-4)
    folder = tmp_path / "run" / "seed-0" / "model"
    config = json.loads((folder / "config.json").read_text())["model"]
    assert {name: config[name] for name in chosen} == chosen
    kept = load_model(folder).class_weights
    assert (kept == 1).all() == ("class_balance" not in names)
