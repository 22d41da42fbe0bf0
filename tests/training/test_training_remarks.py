"""Warm-up, averaging and epochs adjusted to the corpus, and remarks on a training."""

import json
from dataclasses import replace

import numpy as np
import pytest

from mmerc.features.store import FeatureRow, FeatureSpec, FeatureTable
from mmerc.labels import LabelSet
from mmerc.training.recipe import TrainingConfig
from mmerc.training.run import train_run
from mmerc.training.training_remarks import (
    kept_weights,
    remark_on_averaging,
    remark_on_majority,
    remark_on_warmup,
)

LABELS = LabelSet("own", ("calm", "glad", "sad"))


class TestSettings:
    def test_batch_size_remark(self):
        assert TrainingConfig().count_batches([10] * 17) == 3  # eight conversations, the default
        assert TrainingConfig(batch_conversations=4).count_batches([1, 2, 3, 4, 5]) == 2
        assert TrainingConfig(batch_utterances=40).count_batches([10] * 17) == 4
        assert TrainingConfig(batch_utterances=40).count_batches([500]) == 12
        assert TrainingConfig(batch_utterances=40).count_batches([3]) == 1
        both = TrainingConfig(batch_conversations=4, batch_utterances=40)
        assert both.count_batches([10] * 17) == 5

    def test_recipes_of_earlier_versions_keep_their_batch_sizes(self):
        for old in ({}, {"batch_conversations": 8}, {"batch_utterances": 8}):
            assert TrainingConfig(**old).count_batches([10] * 16) in (2, 20)
            assert TrainingConfig(**old).count_batch_utterances(1000) == 8
        dumped = {"batch_conversations": 4, "batch_utterances": 8, "warmup_steps": 20}
        assert TrainingConfig(**dumped).count_batches([10] * 16) == 4
        assert TrainingConfig(**dumped).count_warmup(1000) == 20

    def test_epochs_and_warmup_adapt_to_the_number_of_steps(self):
        settings = TrainingConfig(epochs=6, minimum_steps=600, warmup_share=0.125)
        assert [settings.count_epochs(n) for n in (130, 100, 99, 10)] == [6, 6, 7, 60]
        assert [settings.count_warmup(n) for n in (0, 80, 780)] == [0, 10, 98]
        assert TrainingConfig(epochs=6).count_epochs(1) == 6

    def test_batches_shrink_before_epochs_are_added(self):
        settings = TrainingConfig(epochs=6, minimum_steps=600, batch_utterances=80)
        sizes = [settings.count_batches([10] * n) for n in (1000, 160, 100, 16, 1)]
        assert sizes == [125, 20, 20, 20, 10]
        assert settings.count_batch_utterances(160) == 8
        assert (
            TrainingConfig(minimum_steps=600, batch_conversations=80).count_batches([1] * 80) == 1
        )


class TestAveraging:
    def test_averaging_decay_adapts_to_the_number_of_steps(self):
        settings = TrainingConfig(averaging_share=0.1)
        assert settings.averages_weights
        assert settings.averaging_decay(0, 1000) == 0.1
        assert settings.averaging_decay(90, 1000) == 0.91
        assert settings.averaging_decay(100_000, 1000) == 0.99
        assert settings.averaging_decay(100_000, 100) == 0.9
        assert TrainingConfig(weight_averaging=0.9).averaging_decay(0, 10) == 0.9
        assert not TrainingConfig().averages_weights

    @pytest.mark.parametrize("steps", [20, 78, 780])
    def test_initial_weights_vanish_from_the_average(self, steps):
        """Averaging as in recipe df-erc-meld-mini: with decay 0.99, 46 % remain after 78 steps."""
        settings = TrainingConfig(averaging_share=0.125)
        remaining = 1.0
        for update in range(1, steps):
            remaining *= settings.averaging_decay(update, steps)
        assert remaining < 0.01


class TestRemarks:
    def test_warmup(self):
        assert remark_on_warmup(steps=101, warmup=100) is None
        assert "ended after 78 steps, within its warm-up of 100" in remark_on_warmup(
            steps=78, warmup=100
        )

    def test_majority(self):
        given = {"training": [1, 1, 1, 0, -100], "validation": [1, 1, 0, -100], "labels": LABELS}
        majority = 100 * (2 * 2 / 3 / (1 + 2 / 3)) * 2 / 3  # F1 of glad times its share
        assert remark_on_majority(majority, **given) is None
        remark = remark_on_majority(majority - 0.1, **given)
        assert f"below that of always predicting glad, {majority:.2f}" in remark

    def test_averaging(self):
        def row(averaged, raw):
            return {"valid_weighted_f1_averaged": averaged, "valid_weighted_f1_raw": raw}

        assert remark_on_averaging([row(50, 55), row(60, 58)]) is None
        assert remark_on_averaging([{"valid_weighted_f1": 3.0}]) is None
        remark = remark_on_averaging([row(10, 55), row(12, 54)])
        assert "12.00 against 55.00; the raw ones are kept" in remark
        assert kept_weights(row(10, 55)) == kept_weights({}) == "raw"
        assert kept_weights(row(55, 55)) == "averaged"


def test_training_that_ends_during_warmup_gives_a_remark(train, tmp_path):
    lines = []
    result = train(tmp_path / "run", warmup_steps=100, report=lines.append)
    (remark, *_) = result["seeds"][0]["remarks"]
    assert remark.startswith("training ended after 9 steps, within its warm-up of 100")
    assert f"seed 0: warning: {remark}" in lines
    assert json.loads((tmp_path / "run" / "result.json").read_text()) == result
    assert result["seeds"][0]["steps"] == 9


@pytest.fixture
def informative_corpus(small_corpus):
    """The small corpus with text vectors that show the labels."""
    spec = FeatureSpec(modality="text", extractor="own", dim=4)
    rows = [
        FeatureRow(
            conversation=conversation.id, utterance=utterance.id,
            vector=np.eye(4, dtype=np.float32)[max(0, small_corpus.labels.index(utterance.label))],
            absent_because=None,
        )
        for conversations in small_corpus.splits.values()
        for conversation in conversations
        for utterance in conversation.utterances
    ]  # fmt: skip
    features = small_corpus.features | {"text": FeatureTable.of(spec, rows)}
    return replace(small_corpus, features=features)


def test_better_of_averaged_and_raw_weights_is_kept(tiny_recipe, informative_corpus, tmp_path):
    recipe = tiny_recipe(epochs=8, learning_rate=0.05, warmup_steps=0, weight_averaging=0.9999)
    result = train_run(recipe, informative_corpus, tmp_path / "run", report=lambda line: None)
    seed = result["seeds"][0]
    lines = (tmp_path / "run" / "seed-0" / "history.csv").read_text().splitlines()
    names = lines[0].split(",")
    rows = [dict(zip(names, map(float, line.split(",")), strict=True)) for line in lines[1:]]
    best = max(rows, key=lambda row: row["valid_weighted_f1"])
    for row in rows:
        pair = row["valid_weighted_f1_averaged"], row["valid_weighted_f1_raw"]
        assert row["valid_weighted_f1"] == max(pair)
    assert best["valid_weighted_f1_raw"] > best["valid_weighted_f1_averaged"]
    assert seed["weights"] == "raw"
    assert seed["valid"]["weighted_f1"] == pytest.approx(best["valid_weighted_f1"], abs=1e-3)
    assert any("averaged weights are worse" in remark for remark in seed["remarks"])


def test_unused_batch_utterances_give_a_remark(train, tmp_path):
    lines = []
    train(tmp_path / "run", epochs=1, batch_utterances=50, report=lines.append)
    assert lines[0].startswith("warning: batch_utterances: 50 is not used")
    lines.clear()
    train(tmp_path / "other", epochs=1, report=lines.append)
    assert not any("batch_utterances" in line for line in lines)
