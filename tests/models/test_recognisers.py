"""Single-modality classifiers of voices and faces: what they learn, and when they decide."""

from dataclasses import replace

import pytest
import torch

from mmerc.data.modality_subsets import modality_subsets
from mmerc.models.df_erc.recognisers import ModalityRecognisers, replace_without_words
from mmerc.models.training_data import TrainingStatistics


@pytest.fixture
def model(make_model):
    model = make_model("df-erc", recognisers=True).eval()
    counts = torch.arange(1.0, len(model.labels) + 1)
    model.recognisers.fit(counts)
    return model


def test_log_probabilities_are_added_without_text(model, make_batch):
    """Slow reference: utterance by utterance, from the classifiers only."""
    batch = make_batch((4, 6, 3), absent=0.4, seed=5)
    vectors, present = model.inputs(batch)
    logits = model(batch).logits
    checked = 0
    for row, column in batch.mask.nonzero().tolist():
        heard = [m for m in ("audio", "video") if present[m][row, column]]
        if present["text"][row, column] or not heard:
            continue
        expected = sum(
            torch.log_softmax(model.recognisers.classifiers[m](vectors[m][row, column]), -1)
            for m in heard
        )
        torch.testing.assert_close(logits[row, column], expected, atol=1e-5, rtol=1e-5)
        checked += 1
    assert checked >= 2


def test_fusion_uses_the_reported_states(make_model, make_batch):
    """Vectors with equal logits give equal fused results."""
    model = make_model("df-erc", recognisers=True).eval()
    for classifier in model.recognisers.classifiers.values():
        torch.nn.init.zeros_(classifier[-1].weight)
    batch = make_batch((5, 3), absent=0.0)
    others = {m: torch.randn_like(v) if m != "text" else v for m, v in batch.features.items()}
    torch.testing.assert_close(model(batch).logits, model(batch.with_features(others)).logits)


def test_each_recogniser_learns_from_its_modality(make_batch):
    """Slow reference of the loss: items are weighted by the inverse frequency of their class."""
    batch = make_batch((4, 3), absent=0.3, unknown=0.2, seed=1)
    own = {"audio": torch.where(torch.rand(batch.labels.shape) < 0.5, 1, -100)}
    batch = replace(batch, modality_labels=own)
    recognisers = ModalityRecognisers({"text": 6, "audio": 8, "video": 10}, hidden=4, classes=7)
    recognisers.fit(torch.tensor([9.0, 4, 3, 2, 1, 0, 1]))
    logits = {m: torch.randn(*batch.labels.shape, 7) for m in ("audio", "video")}
    loss = recognisers.loss(
        logits, batch.present, batch.modality_labels, batch.labels, reduction="mean"
    )
    expected = 0.0
    for m in ("audio", "video"):
        items = []
        for row, column in batch.mask.nonzero().tolist():
            label = int(own[m][row, column]) if m in own else -100
            label = int(batch.labels[row, column]) if label < 0 else label
            if label < 0 or not batch.present[m][row, column]:
                continue
            weight = (20 + 7) / (7 * (float([9, 4, 3, 2, 1, 0, 1][label]) + 1))
            items.append(-weight * torch.log_softmax(logits[m][row, column], -1)[label])
        expected += sum(items) / len(items)
    torch.testing.assert_close(loss, expected)


def test_every_set_of_modalities_is_predicted(model, make_batch):
    batch = make_batch((4, 6), absent=0.0)
    for subset in modality_subsets(("text", "audio", "video")):
        present = {m: mask & (m in subset) for m, mask in batch.present.items()}
        probabilities = model(batch.with_present(present)).logits.softmax(-1)
        assert torch.isfinite(probabilities[batch.mask]).all()


def test_only_the_fusion_uses_context():
    fused = torch.randn(1, 2, 3)
    present = {"text": torch.zeros(1, 2).bool(), "audio": torch.tensor([[False, True]])}
    result = replace_without_words(fused, {"audio": torch.randn(1, 2, 3)}, present)
    assert torch.equal(result[0, 0], fused[0, 0])
    assert not torch.equal(result[0, 1], fused[0, 1])


def test_class_weights_are_used_in_fitting(make_model):
    model = make_model("df-erc", recognisers=True)
    counts = torch.tensor([90.0, *[1.0] * (len(model.labels) - 1)])
    widths = model.inputs.widths
    statistics = {m: (torch.zeros(w), torch.ones(w)) for m, w in widths.items()}
    model.fit(TrainingStatistics(label_counts=counts, features=statistics))
    assert model.recognisers.class_weights[0] < 0.3 < 1 < model.recognisers.class_weights[1]
