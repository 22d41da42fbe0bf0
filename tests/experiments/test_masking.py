import shutil
from dataclasses import replace

import pytest
import torch
from very_small import SMALL

from mmerc.data.batch import Tokens, Waveforms
from mmerc.experiments.reproduction.masking import _mask_batch, masked_predictions, predict_masked
from mmerc.experiments.reproduction.plan import PlanOptions, make_plan
from mmerc.experiments.reproduction.targets import Masking
from mmerc.experiments.reproduction.workspace import _folder_name
from mmerc.models.registry import load_model
from mmerc.training.scoring import predict_corpus


@pytest.fixture(scope="module")
def seed(finished, small_corpus):
    plan = make_plan("df-erc-figure11", small_corpus, PlanOptions(changes=SMALL))
    return finished / "runs" / _folder_name(plan.recipes["DF-ERC"]) / "seed-0"


def emptied(corpus, modality):
    """The corpus without any vector of a modality."""
    table = corpus.features[modality]
    rows = {
        key: replace(row, vector=None, absent_because="taken away")
        for key, row in table.rows.items()
    }
    features = {**corpus.features, modality: replace(table, rows=rows)}
    return replace(corpus, features=features)


@pytest.mark.parametrize("modality", ["text", "audio", "video"])
def test_declared_absent_equals_never_present(seed, small_corpus, modality):
    masking = Masking(modality=modality, how="absent")
    predictions = masked_predictions(seed, masking, small_corpus)
    model = load_model(seed / "model")
    expected = predict_corpus(model, emptied(small_corpus, modality), "test")
    assert predictions.keys == expected.keys
    assert abs(predictions.probabilities - expected.probabilities).max() < 1e-6


def test_zeroed_differs_from_absent_and_is_stored(seed, small_corpus):
    zeroed = masked_predictions(seed, Masking(modality="audio", how="zeroed"), small_corpus)
    absent = masked_predictions(seed, Masking(modality="audio", how="absent"), small_corpus)
    assert abs(zeroed.probabilities - absent.probabilities).max() > 0
    (path,) = seed.glob("predictions-test-audio-zeroed-*.parquet")
    before = path.stat().st_mtime_ns
    masked_predictions(seed, Masking(modality="audio", how="zeroed"), small_corpus)
    assert path.stat().st_mtime_ns == before


def test_cached_answers_are_not_shared_between_corpora(seed, small_corpus, tmp_path):
    """The same conversations with other vectors, then with the first ones again."""
    shutil.copytree(seed / "model", tmp_path / "model")
    masking = Masking(modality="text", how="absent")
    silent = emptied(small_corpus, "audio")
    first, other = (masked_predictions(tmp_path, masking, c) for c in (small_corpus, silent))
    expected = predict_masked(load_model(seed / "model"), masking, silent, "test")
    assert (other.probabilities == expected.probabilities).all()
    assert abs(first.probabilities - other.probabilities).max() > 1e-4
    again = masked_predictions(tmp_path, masking, small_corpus)
    assert (again.probabilities == first.probabilities).all()


def test_zeroed_vectors_are_still_present(make_batch):
    batch = make_batch([3, 2])
    predictions = _mask_batch(batch, Masking(modality="video", how="zeroed"))
    assert not predictions.features["video"].any()
    assert torch.equal(predictions.features["audio"], batch.features["audio"])
    assert predictions.present["video"] is batch.present["video"]


def test_zeroed_words_and_sounds_keep_their_length(make_batch):
    mask = torch.ones(1, 2, 3, dtype=torch.bool)
    batch = replace(
        make_batch([2]),
        tokens=Tokens(
            token_ids=torch.ones(1, 2, 3, dtype=torch.long), attention_mask=mask, targets=mask
        ),
        waveforms=Waveforms(samples=torch.ones(1, 2, 5), lengths=torch.tensor([[5, 4]])),
    )
    quiet = _mask_batch(batch, Masking(modality="audio", how="zeroed"))
    assert not quiet.waveforms.samples.any()
    assert quiet.waveforms.lengths is batch.waveforms.lengths
    assert quiet.tokens is batch.tokens
    mute = _mask_batch(batch, Masking(modality="text", how="zeroed"))
    assert not mute.tokens.token_ids.any()
    assert mute.tokens.attention_mask is mask
    assert mute.waveforms is batch.waveforms
