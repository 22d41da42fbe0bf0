from dataclasses import replace

import numpy as np
import pytest
import torch
from very_small import SMALL

from mmerc.conversation import MODALITIES
from mmerc.data.batches import batch_loader
from mmerc.errors import InputError
from mmerc.evaluation.predictions import Predictions
from mmerc.experiments.papers.df_erc.figures import (
    _contribution_errors,
    _error_bins,
    _is_right,
    _levels,
    _own_predictions,
)
from mmerc.experiments.reproduction import hidden_states
from mmerc.experiments.reproduction.hidden_states import _stored_hidden_states
from mmerc.experiments.reproduction.masking import corpus_key
from mmerc.experiments.reproduction.plan import PlanOptions, make_plan
from mmerc.experiments.reproduction.workspace import _folder_name
from mmerc.models.registry import load_model
from mmerc.prediction.run_model import build_model_examples


@pytest.fixture(scope="module")
def seed(finished, small_corpus):
    """Folder of DF-ERC's first seed, and its test predictions."""
    plan = make_plan("df-erc-figure11", small_corpus, PlanOptions(changes=SMALL))
    folder = finished / "runs" / _folder_name(plan.recipes["DF-ERC"]) / "seed-0"
    return folder, Predictions.load(folder / "predictions-test.parquet")


def own_predictions(seed, corpus):
    folder, predictions = seed
    return _stored_hidden_states(
        folder, "own-predictions", _own_predictions, corpus, keys=predictions.keys
    )


def test_hidden_states_belong_to_the_stored_predictions(seed, small_corpus):
    _, predictions = seed
    table = own_predictions(seed, small_corpus)
    assert (table["predicted"] == predictions.predicted).all()
    assert (table["gold"] == predictions.gold).all()
    for m, weight in predictions.weights.items():
        np.testing.assert_allclose(table[f"weight_{m}"], weight, atol=1e-5)
        own = table[f"probabilities_{m}"]
        assert (np.isnan(own) == np.isnan(weight)[:, None]).all()
        np.testing.assert_allclose(own[~np.isnan(weight)].sum(-1), 1, atol=1e-5)


def test_contribution_errors_add_up_to_the_loss(seed, small_corpus):
    """Their means are Eq. 14, and the modalities' own classifiers have the loss of Eq. 13."""
    table = own_predictions(seed, small_corpus)
    known = table["gold"] >= 0
    labelled = {name: values[known] for name, values in table.items()}
    model = load_model(seed[0] / "model")
    conversations = small_corpus.splits["test"]
    examples = build_model_examples(model, conversations, small_corpus.features)
    (batch,) = batch_loader(examples, tokenizer=model.tokenizer, size=99, shuffle=False)
    with torch.inference_mode():
        losses = model(batch).losses
    errors = [np.nanmean(_contribution_errors(labelled, m)) for m in MODALITIES]
    assert sum(errors) == pytest.approx(float(losses["contribution_confidence"]), rel=1e-4)
    rows, gold = np.arange(known.sum()), labelled["gold"]
    chosen = [np.log(labelled[f"probabilities_{m}"][rows, gold]) for m in MODALITIES]
    entropies = [-np.nanmean(logarithms) for logarithms in chosen]
    assert sum(entropies) == pytest.approx(float(losses["contribution_classifier"]), rel=1e-4)


def test_a_classifier_is_right_where_its_highest_probability_is_the_gold_class():
    own = np.array([[0.6, 0.4], [0.6, 0.4], [np.nan, np.nan]])
    states = {"probabilities_text": own, "gold": np.array([0, 1, 0])}
    np.testing.assert_array_equal(_is_right(states, "text"), [1, 0, np.nan])


def test_hidden_states_are_recorded_once(seed, small_corpus, monkeypatch):
    folder, predictions = seed
    keys = predictions.keys[3:9]
    first = _stored_hidden_states(folder, "levels", _levels, small_corpus, keys=keys)
    assert first["modality_text"].shape == (6, 8)
    monkeypatch.setattr(hidden_states, "_record", lambda *a: pytest.fail("recorded again"))
    again = _stored_hidden_states(folder, "levels", _levels, small_corpus, keys=keys)
    np.testing.assert_array_equal(again["utterance_audio"], first["utterance_audio"])


def test_changed_utterances_are_recorded_again(seed, small_corpus):
    folder, predictions = seed
    _stored_hidden_states(folder, "levels", _levels, small_corpus, keys=predictions.keys[:2])
    wide = _stored_hidden_states(
        folder, "levels", _levels, small_corpus, keys=predictions.keys[1:4]
    )
    assert list(wide["utterance"]) == list(predictions.utterances[1:4])


def test_changed_corpus_is_recorded_again(seed, small_corpus):
    """The same utterances with other vectors have the same keys."""
    folder, predictions = seed
    keys = predictions.keys[3:9]
    table = small_corpus.features["audio"]
    rows = {
        key: row if row.vector is None else replace(row, vector=row.vector * 9)
        for key, row in table.rows.items()
    }
    features = {**small_corpus.features, "audio": replace(table, rows=rows)}
    first = _stored_hidden_states(folder, "levels", _levels, small_corpus, keys=keys)
    louder = replace(small_corpus, features=features)
    other = _stored_hidden_states(folder, "levels", _levels, louder, keys=keys)
    assert np.nanmax(abs(first["modality_audio"] - other["modality_audio"])) > 1e-4


def test_truncated_file(seed, small_corpus):
    folder, predictions = seed
    path = folder / f"inside-odd-{corpus_key(small_corpus)}.parquet"
    path.write_bytes(b"PAR1")
    with pytest.raises(InputError, match=r"inside-odd-\w{12}\.parquet: truncated; remove it"):
        _stored_hidden_states(folder, "odd", _levels, small_corpus, keys=predictions.keys)
    path.unlink()


def test_errors_are_counted_in_bins():
    errors = np.array([0.0, 0.04, 0.06, 1.0, np.nan])
    rows = _error_bins("text", errors, np.array([1.0, 0.0, 1.0, 0.0, np.nan]))
    assert [row["utterances"] for row in rows][:2] == [2, 1]
    assert (rows[0]["accuracy"], rows[1]["accuracy"], rows[-1]["accuracy"]) == (50, 100, 0)
    assert rows[5]["accuracy"] is None
    assert sum(row["share"] for row in rows) == pytest.approx(100)


def test_report_of_contributions_error(finished, report_only, read_csv, seed, small_corpus):
    predictions = report_only("df-erc-figure11", finished)
    rows = read_csv(predictions.folder / "figures" / "contribution-error.csv")
    assert {row["modality"] for row in rows} == {"text", "audio", "video", "mean of all"}
    known = sum(u.label is not None for c in small_corpus.splits["test"] for u in c.utterances)
    mean = [row for row in rows if row["modality"] == "mean of all"]
    assert sum(int(row["utterances"]) for row in mean) <= 2 * known
    text = [int(row["utterances"]) for row in rows if row["modality"] == "text"]
    present = ~np.isnan(seed[1].weights["text"]) & (seed[1].gold >= 0)
    assert sum(text) == 2 * int(present.sum())


def test_points_of_the_projection(finished, report_only, read_csv):
    predictions = report_only("df-erc-figure10", finished)
    rows = read_csv(predictions.folder / "figures" / "projection.csv")
    counts = {}
    for row in rows:
        key = (row["row"], row["level"], row["modality"])
        counts[key] = counts.get(key, 0) + 1
    assert len(counts) == 2 * 2 * 3
    assert len(set(counts.values())) == 1
    assert all(-1 <= float(row["silhouette"]) <= 1 for row in rows)
