"""DF-ERC, Eqs. 2-9: two contrastive branches, and residual concatenation."""

import math
from dataclasses import replace

import pytest
import torch
from df_erc_oracles import SIZES, contrast_oracle, places, residual
from torch.utils._python_dispatch import TorchDispatchMode

from mmerc.conversation import MODALITIES


class LargestTensor(TorchDispatchMode):
    """Remembers the most numbers that any operation returned."""

    numbers = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        output = func(*args, **(kwargs or {}))
        if isinstance(output, torch.Tensor):
            self.numbers = max(self.numbers, output.numel())
        return output


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("scope", ["conversation", "batch"])
@pytest.mark.parametrize("modalities", [MODALITIES, ("text", "video")], ids=["tav", "tv"])
def test_disentanglement(make_model, batch, reduction, scope, modalities):
    model = make_model("df-erc", reduction=reduction, scope=scope, modalities=modalities).eval()
    losses = model(batch).losses
    for level in ("modality", "utterance"):
        expected = contrast_oracle(model, batch, level)
        torch.testing.assert_close(losses[f"contrast_{level}"], expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("scope", ["conversation", "batch"])
def test_single_modality_is_not_contrasted(make_model, whole_batch, scope):
    model = make_model("df-erc", scope=scope, modalities=("text",))
    losses = model(whole_batch).losses
    assert losses["contrast_modality"] == losses["contrast_utterance"] == 0
    for m in ("audio", "video"):
        whole_batch.present[m][1:] = False  # one conversation keeps all three
    model = make_model("df-erc", scope=scope).eval()
    loss = model(whole_batch).losses["contrast_modality"]
    assert loss > 0
    torch.testing.assert_close(loss, contrast_oracle(model, whole_batch, "modality"))


def test_sum_over_a_dialogue_equals_the_paper(make_model, whole_batch):
    """Without absences the sum runs over n - 1, or 2, positives of all 3n items."""
    model = make_model("df-erc", reduction="sum", modality_temperature=1e6).eval()
    loss = model(whole_batch).losses["contrast_modality"].detach()
    # At infinite temperature every term is log(3n - 1).
    expected = sum(3 * n * (n - 1) * math.log(3 * n - 1) for n in SIZES)
    assert float(loss) == pytest.approx(expected, rel=1e-4)
    model = make_model("df-erc", reduction="sum", utterance_temperature=1e6).eval()
    loss = model(whole_batch).losses["contrast_utterance"].detach()
    expected = sum(3 * n * 2 * math.log(3 * n - 1) for n in SIZES)
    assert float(loss) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("ablations", [(), ("-Utterance",)])
def test_residual_concatenation(make_model, batch, ablations):
    model = make_model("df-erc", ablations=ablations, drop_branch=True).eval()
    packing, vectors, present = model.pack_inputs(batch)
    actual = packing.unpack_all(model.disentanglement(vectors, present, packing).vectors)
    for place in places(batch):
        for m in MODALITIES:
            torch.testing.assert_close(actual[m][place], residual(model, batch, m, place))


def test_prediction_without_labels_compares_no_pairs(make_model, make_batch):
    """The memory of an analysis must not grow with the square of its utterances."""
    model, utterances = make_model("df-erc").eval(), 80
    batch = make_batch((utterances,), unknown=1.0)
    with torch.inference_mode(), LargestTensor() as largest:
        output = model(batch)
    assert output.losses["contrast_modality"] == output.losses["contrast_utterance"] == 0
    assert largest.numbers < (3 * utterances) ** 2
    with torch.inference_mode():
        labelled = model(replace(batch, labels=torch.zeros_like(batch.labels)))
    assert labelled.losses["contrast_modality"] > 0 and labelled.losses["contrast_utterance"] > 0
    assert torch.equal(labelled.logits, output.logits)
