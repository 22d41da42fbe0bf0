"""DF-ERC, Eqs. 17-22: prototypes, similarity of modalities; prototypes over several processes."""

from datetime import timedelta

import pytest
import torch
from df_erc_oracles import (
    SIZES,
    aligned_items,
    places,
    prototype_loss_oracle,
    prototypes_of,
    psi_oracle,
)
from torch import multiprocessing

from mmerc.conversation import MODALITIES
from mmerc.data.batches import _Collate
from mmerc.models.df_erc.refusion import EmotionPrototypes, _modality_similarity


@pytest.mark.parametrize("margin", [0.0, 0.02])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_prototypes_are_a_running_mean_of_an_epoch(make_model, make_examples, margin, reduction):
    """Three steps with changing weights: update first, then the loss; then a new epoch."""
    model = make_model("df-erc", dropout=0.0, prototype_margin=margin, reduction=reduction).train()
    width = model.config.prototype_width
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(2):
        model.start_epoch()
        assert (model.refusion.prototypes.count == 0).all()
        assert (model.refusion.prototypes.mean == 0).all()
        gathered = []
        for step in range(3):
            batch = _Collate(None)(make_examples(SIZES, absent=0.3, unknown=0.3, seed=20 + step))
            items = aligned_items(model, batch)
            gathered += [
                (item.detach(), int(batch.labels[place]))
                for (_, place), item in items.items()
                if batch.labels[place] >= 0
            ]
            mean, count = prototypes_of(gathered, 4, width)
            output = model(batch)
            actual = model.refusion.prototypes
            torch.testing.assert_close(actual.mean, mean, atol=1e-5, rtol=1e-4)
            assert torch.equal(actual.count, count)
            expected = prototype_loss_oracle(items, batch, mean, margin)
            torch.testing.assert_close(output.losses["prototype"], expected, atol=1e-6, rtol=1e-4)
            assert float(expected.detach()) > 0
            optimizer.zero_grad()
            output.loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 0.5)
            optimizer.step()


def test_prototypes_do_not_change_in_evaluation(make_model, batch):
    model = make_model("df-erc").train()
    model(batch)
    before = {name: value.clone() for name, value in model.refusion.prototypes.state_dict().items()}
    assert set(before) == {"mean", "count"}  # buffers: saved and moved with the model
    model.eval()
    output = model(batch)
    after = model.refusion.prototypes.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())
    items = aligned_items(model, batch)
    expected = prototype_loss_oracle(items, batch, before["mean"], model.config.prototype_margin)
    torch.testing.assert_close(output.losses["prototype"], expected)


def test_prototype_loss_margin():
    prototypes = EmotionPrototypes(2, 2, margin=0.1)
    prototypes.mean.copy_(torch.tensor([[0.0, 0.0], [1.0, 1.0]]))
    prototypes.count.copy_(torch.tensor([3.0, 0.0]))
    items = torch.tensor([[0.3, 0.3], [1.0, 0.0], [5.0, 5.0]])
    # MSE 0.09 is below beta; 0.5 above by 0.4; class 1 has no prototype yet.
    loss = prototypes(items, torch.tensor([0, 0, 1]))
    assert float(loss) == pytest.approx(0.4 / 3)


def test_prototype_has_no_gradient_of_its_own(make_model, whole_batch):
    """Only the items move towards the prototypes, which consist of detached items."""
    prototypes = EmotionPrototypes(2, 3, margin=0.0)
    items = torch.randn(4, 3, requires_grad=True)
    labels = torch.tensor([0, 0, 1, 0])
    prototypes.update(items, labels)
    assert not prototypes.mean.requires_grad
    prototypes(items, labels).backward()
    expected = 2 * (items - prototypes.mean[labels]) / 3 / 4
    torch.testing.assert_close(items.grad, expected.detach())


def test_similarity_of_modalities(make_model, batch):
    model = make_model("df-erc").eval()
    explanation = model(batch).explanation
    items = aligned_items(model, batch)
    counts = set()
    for place in places(batch):
        expected = psi_oracle(items, MODALITIES, place)
        torch.testing.assert_close(explanation.similarity[place], expected)
        torch.testing.assert_close(explanation.context_weight[place], 1 - expected)
        counts.add(sum((m, place) in items for m in MODALITIES))
    assert counts == {0, 1, 2, 3}


def test_similarity_matches_a_calculation_by_hand():
    vectors = torch.tensor([[[1.0, 0.0]], [[3.0, 4.0]], [[-2.0, 0.0]]])  # [M, U, D]
    yes, no = True, False

    def psi(*present):
        return float(_modality_similarity(vectors, torch.tensor(present)[:, None]))

    assert psi(yes, yes, yes) == pytest.approx((0.6 - 1.0 - 0.6) / 3)
    assert psi(yes, yes, no) == pytest.approx(0.6)
    assert psi(yes, no, yes) == pytest.approx(-1.0)
    assert psi(no, yes, no) == 0
    assert psi(no, no, no) == 0


def test_fused_vectors_scaled_before_the_context(make_model, batch):
    """Footnote 1: the LSTM reads (1 - psi) h^f, and its states are not scaled."""
    model = make_model("df-erc", scale_context="input").eval()
    packing, vectors, present = model.pack_inputs(batch)
    vectors = model.disentanglement(vectors, present, packing).vectors
    labels = packing.pack(batch.labels)
    fused = model.fusion(vectors, present, labels).fused
    output = model.refusion(fused, vectors, present, labels, packing)
    similarity, actual = packing.unpack(output.similarity), packing.unpack(output.vectors)
    fused = packing.unpack(fused)
    for b, size in enumerate(batch.mask.sum(1).tolist()):
        psi = similarity[b, :size]
        scaled = torch.stack([(1 - psi[i]) * fused[b, i] for i in range(size)])
        context = model.refusion.context.lstm(scaled[None])[0][0]
        expected = torch.cat([fused[b, :size], context], -1)
        torch.testing.assert_close(actual[b, :size], expected, atol=1e-5, rtol=1e-4)


# Batch normalisation before the alignment (not in the paper)


def normalised_oracle(model, batch, items):
    """Each modality's items with mean 0 and variance 1 in every dimension."""
    normalised = {}
    for m in MODALITIES:
        own = [key for key in items if key[0] == m]
        for d in range(model.config.prototype_width):
            values = [items[key][d].item() for key in own]
            mean = sum(values) / len(values)
            variance = sum((value - mean) ** 2 for value in values) / len(values)
            for key, value in zip(own, values, strict=True):
                normalised.setdefault(key, []).append((value - mean) / (variance + 1e-5) ** 0.5)
    return {key: torch.tensor(values) for key, values in normalised.items()}


def test_alignment_of_normalised_vectors(make_model, batch):
    settings = {"dropout": 0.0, "prototype_margin": 0.02, "alignment_normalisation": "batch"}
    model = make_model("df-erc", **settings).train()
    items = normalised_oracle(model, batch, aligned_items(model, batch))
    output = model(batch)
    gathered = [
        (item, int(batch.labels[place]))
        for (_, place), item in items.items()
        if batch.labels[place] >= 0
    ]
    mean, _ = prototypes_of(gathered, 4, model.config.prototype_width)
    torch.testing.assert_close(model.refusion.prototypes.mean, mean, atol=1e-4, rtol=1e-3)
    expected = prototype_loss_oracle(items, batch, mean, 0.02)
    torch.testing.assert_close(output.losses["prototype"], expected, atol=1e-4, rtol=1e-3)
    packing, vectors, present = model.pack_inputs(batch)
    vectors = model.disentanglement(vectors, present, packing).vectors
    labels = packing.pack(batch.labels)
    fused = model.fusion(vectors, present, labels).fused
    similarity = packing.unpack(model.refusion(fused, vectors, present, labels, packing).similarity)
    for place in places(batch):
        psi = psi_oracle(items, MODALITIES, place)
        torch.testing.assert_close(similarity[place], psi, atol=1e-4, rtol=1e-3)


def test_alignment_in_evaluation_does_not_depend_on_the_batch(make_model, make_examples):
    model = make_model("df-erc", alignment_normalisation="batch").train()
    examples = make_examples(SIZES, absent=0.25, seed=8)
    model(_Collate(None)(examples))
    model.eval()
    whole = model(_Collate(None)(examples)).logits
    for row, example in enumerate(examples):
        alone = model(_Collate(None)([example])).logits[0]
        torch.testing.assert_close(whole[row, : len(example)], alone, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("training", [True, False])
def test_alignment_of_one_or_no_item_is_finite(make_model, batch, training):
    model = make_model("df-erc", alignment_normalisation="batch").train(training)
    for count in (1, 0):
        few = torch.zeros_like(batch.mask)
        few[0, :count] = True
        output = model(batch.with_present(batch.present | {"audio": few & batch.mask}))
        assert torch.isfinite(output.loss)


# Several processes


def gathered_items(rank):
    """Items of one process; the second has none of class 1."""
    generator = torch.Generator().manual_seed(rank)
    items = torch.randn(3, 5, 4, generator=generator)
    labels = torch.randint(0, 3, (3, 5), generator=generator)
    return items, labels.masked_fill((labels == 1) & (rank == 1), 2)


def update_in_process(rank, folder):
    torch.distributed.init_process_group(
        "gloo",
        init_method=f"file://{folder}/meeting",
        rank=rank,
        world_size=2,
        timeout=timedelta(seconds=120),
    )
    try:
        prototypes = EmotionPrototypes(4, 4, margin=0.1)
        for items, labels in zip(*gathered_items(rank), strict=True):
            prototypes.update(items, labels)
    finally:
        torch.distributed.destroy_process_group()
    torch.save(prototypes.state_dict(), f"{folder}/{rank}.pt")


def update_in_other_process(_, folder):
    torch.set_num_threads(1)
    update_in_process(1, folder)


def test_two_processes_share_their_prototypes(tmp_path):
    other = multiprocessing.spawn(update_in_other_process, (str(tmp_path),), join=False)
    update_in_process(0, str(tmp_path))
    assert other.join(timeout=120)
    gathered = [
        (item, int(label))
        for rank in (0, 1)
        for items, labels in zip(*gathered_items(rank), strict=True)
        for item, label in zip(items, labels, strict=True)
    ]
    mean, count = prototypes_of(gathered, 4, 4)
    alone = EmotionPrototypes(4, 4, margin=0.1)
    alone.update(
        torch.stack([item for item, _ in gathered]), torch.tensor([k for _, k in gathered])
    )
    torch.testing.assert_close(alone.mean, mean)
    for rank in (0, 1):
        actual = torch.load(tmp_path / f"{rank}.pt", weights_only=True)
        torch.testing.assert_close(actual["mean"], mean)
        assert torch.equal(actual["count"], count)


@pytest.mark.parametrize("restart", [True, False])
def test_prototypes_reset_per_epoch_only_if_configured(make_model, whole_batch, restart):
    model = make_model("df-erc", restart_prototypes=restart).train()
    model(whole_batch)
    gathered = model.refusion.prototypes.count.clone()
    model.start_epoch()
    model(whole_batch)
    expected = gathered if restart else 2 * gathered
    assert gathered.sum() > 0
    assert torch.equal(model.refusion.prototypes.count, expected)
