"""Which examples share a batch: padding, randomness, equal weights, and oversampling."""

from itertools import chain, combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmerc.data.sampling import (
    BalancedSampler,
    BatchItem,
    SortedSampler,
    TrainingSampler,
    upsampled_counts,
)

SIZES = st.lists(st.integers(1, 300), min_size=1, max_size=60)


def items(sizes):
    return [BatchItem(utterances=n, labelled=n, key=n, lengths=(n,)) for n in sizes]


def dialogues(count=1038, longest=24):
    """Lengths like MELD's: one utterance to ``longest``, all about equally frequent."""
    return np.random.default_rng(0).integers(1, longest + 1, count).tolist()


def epoch(sampler, number):
    sampler.set_epoch(number)
    return list(sampler)


def pairs(batches):
    return {pair for batch in batches for pair in combinations(sorted(batch), 2)}


def overlap(sampler, epochs=(0, 1)):
    """Share of pairs in a batch that are in a common batch again in the next epoch."""
    one, other = (pairs(epoch(sampler, number)) for number in epochs)
    return len(one & other) / len(one)


@given(
    sizes=SIZES,
    count=st.integers(1, 70),
    number=st.integers(0, 3),
    padding=st.sampled_from([0.0, 0.1, 0.5, 1.0]),
)
def test_every_conversation_once_per_epoch(sizes, count, number, padding):
    sampler = TrainingSampler(items(sizes), batches=count, padding=padding)
    batches = epoch(sampler, number)
    assert sorted(chain(*batches)) == list(range(len(sizes)))
    assert len(batches) == len(sampler) == min(count, len(sizes))
    assert all(batches)


def test_order_depends_only_on_seed_and_epoch():
    def order(seed, number):
        return epoch(TrainingSampler(items(dialogues(100)), batches=13, seed=seed), number)

    assert order(1, 2) == order(1, 2)
    orders = [order(seed, number) for seed in (0, 1) for number in (0, 1, 2)]
    assert all(one != other for one, other in combinations(orders, 2))


def test_evaluation_is_sorted_by_length():
    keys = [5, 1, 9, 3, 3, 2]
    batches = list(SortedSampler(keys, size=4))
    assert [[keys[i] for i in batch] for batch in batches] == [[1, 2, 3, 3], [5, 9]]
    assert len(batches) == len(SortedSampler(keys, size=4))


@pytest.mark.parametrize("padding", [0.1, 1.0])
@pytest.mark.parametrize("size", [8, 32, 100])
def test_batches_have_similar_numbers_of_utterances(size, padding):
    sizes = dialogues()
    sampler = TrainingSampler(items(sizes), batches=-(-len(sizes) // size), padding=padding)
    for number in range(3):
        counts = [sum(sizes[i] for i in batch) for batch in epoch(sampler, number)]
        assert max(counts) / min(counts) < 1 + 20 / size


@pytest.mark.parametrize(("size", "repeated"), [(4, 0.1), (8, 0.2), (16, 0.35)])
def test_padding_is_small_where_it_is_costly(size, repeated):
    sampler = TrainingSampler(items(dialogues()), batches=-(-1038 // size), padding=0.1)
    for number in range(5):
        assert sampler.padding_share(epoch(sampler, number)) <= 0.1
    assert overlap(sampler) < repeated


@pytest.mark.parametrize("size", [8, 32, 100])
def test_random_batches_repeat_no_more_pairs_than_chance(size):
    sizes = dialogues()
    sampler = TrainingSampler(items(sizes), batches=-(-len(sizes) // size), padding=1.0)
    chance = (size - 1) / (len(sizes) - 1)
    assert np.mean([overlap(sampler, (i, i + 1)) for i in range(4)]) < 1.3 * chance + 0.002
    lengths = [[sizes[i] for i in batch] for batch in epoch(sampler, 0) if len(batch) > 1]
    between = np.var([np.mean(own) for own in lengths])
    assert between < 2 * np.var(sizes) / size  # batches of similar lengths have np.var(sizes)


def test_conversations_of_equal_length_need_no_sorting():
    sampler = TrainingSampler(items([50] * 200), batches=25, padding=0.1)
    assert overlap(sampler) < 0.1


def test_few_long_conversations_among_many_short_ones():
    sizes = [500, 3, 2, 400, 1, 1, 5, 2, 300, 4]
    for padding in (0.1, 1.0):
        batches = epoch(TrainingSampler(items(sizes), batches=6, padding=padding), 0)
        assert len(batches) == 6
        assert sum(max(sizes[i] for i in batch) >= 300 for batch in batches) == 3


@pytest.mark.parametrize("padding", [0.1, 1.0])
@pytest.mark.parametrize("world", [1, 2, 3, 4, 7])
@given(conversations=st.integers(1, 40))
def test_processes_partition_an_epoch(world, conversations, padding):
    settings = {"batches": -(-conversations // 4), "padding": padding, "world": world}
    samplers = [
        TrainingSampler(items(range(1, conversations + 1)), rank=rank, **settings)
        for rank in range(world)
    ]
    shares = [list(sampler) for sampler in samplers]
    assert [len(share) for share in shares] == [len(sampler) for sampler in samplers]
    assert len({len(share) for share in shares}) == 1
    draw_batches = [i for share in shares for batch in share for i in batch]
    assert set(draw_batches) == set(range(conversations))
    if conversations >= world:
        assert len(draw_batches) == conversations


def test_loss_is_the_mean_over_labelled_utterances():
    conversations = [
        BatchItem(utterances=n, labelled=n // 2, key=n, lengths=(n,)) for n in range(1, 31)
    ]
    sampler = TrainingSampler(conversations, batches=7)
    labelled = [sum(conversations[i].labelled for i in batch) for batch in sampler]
    assert sampler.mean_labelled == pytest.approx(np.mean(labelled))


# Oversampling


def balanced(labels=(0,) * 12 + (1,) * 3, **settings):
    utterances = [
        BatchItem(utterances=1, labelled=int(label >= 0), key=i % 5, lengths=(1 + i % 5,))
        for i, label in enumerate(labels)
    ]
    values = {"size": 4, "seed": 1, "upsampling": 0.5, "per_epoch": None} | settings
    return BalancedSampler(utterances, labels, **values)


def draw_batches(sampler, epochs):
    actual = []
    for number in range(epochs):
        batches = epoch(sampler, number)
        assert len(batches) == len(sampler)
        assert {len(batch) for batch in batches} <= {3, 4}
        actual.append(sorted(chain(*batches)))
    return actual


def test_rare_classes_are_upsampled():
    labels = [0] * 10 + [1] * 3 + [2] * 7 + [-100] * 2
    counts = upsampled_counts(labels, 0.5)
    assert counts == {0: 10, 1: 5, 2: 7, -100: 2}
    assert upsampled_counts(labels, 0.0) == {0: 10, 1: 3, 2: 7, -100: 2}
    assert sorted(balanced(labels, upsampling=0.0).draw_pass(0)) == list(range(22))


def test_partial_repeats_are_drawn_and_not_always_the_first():
    labels = [0] * 10 + [1] * 3
    sampler = balanced(labels)
    times = np.zeros(3, dtype=int)
    for number in range(60):
        whole = sampler.draw_pass(number)
        own = np.array([whole.count(i) for i in (10, 11, 12)])
        assert sorted(own) == [1, 2, 2]
        times += own
    assert times.sum() == 300
    assert times.min() >= 88  # about 100 each
    assert sampler.draw_pass(3) == balanced(labels).draw_pass(3)


def test_epoch_is_complete_by_default():
    for per_epoch in (None, 18, 1000):
        one, other = draw_batches(balanced(per_epoch=per_epoch), 2)
        assert len(one) == len(other) == 18
        assert set(one) == set(range(15))


def test_short_epochs_eventually_cover_everything():
    parts = draw_batches(balanced(per_epoch=6), 6)
    assert all(len(part) == 6 for part in parts)
    for whole in (parts[:3], parts[3:]):
        assert set(chain(*whole)) == set(range(15))
        assert sum(i >= 12 for i in chain(*whole)) == 6
    assert parts[0] != parts[3]


@pytest.mark.parametrize("per_epoch", [7, 15, 18])
def test_everything_is_seen_equally_often_for_any_epoch_length(per_epoch):
    seen = list(chain(*draw_batches(balanced(per_epoch=per_epoch), 18)))
    assert len(seen) == 18 * per_epoch
    assert {seen.count(i) for i in range(12)} == {per_epoch}
    assert sum(i >= 12 for i in seen) == 6 * per_epoch  # twice each: no partial repeats


def test_utterance_order_depends_only_on_seed_and_epoch():
    def orders(seed):
        sampler = balanced(seed=seed)
        return [epoch(sampler, number) for number in (0, 3)]

    assert orders(1) == orders(1)
    assert orders(1)[0] != orders(1)[1]
    assert orders(1) != orders(2)


def test_processes_partition_the_utterances():
    parts = [balanced(rank=rank, world=2) for rank in range(2)]
    together = [batch for pair in zip(*parts, strict=True) for batch in pair]
    assert len(together) == 6  # five batches of four, rounded up
    assert sorted(chain(*together)) == sorted(balanced().draw_pass(0))


@pytest.mark.parametrize("per_epoch", [None, 7])
def test_mean_over_labelled_utterances_with_upsampling(per_epoch):
    labels = [0] * 12 + [1] * 3 + [-100] * 5
    sampler = balanced(labels, per_epoch=per_epoch)
    counts = [
        sum(labels[i] >= 0 for i in batch)
        for number in range(23)
        for batch in epoch(sampler, number)
    ]
    assert sampler.mean_labelled == pytest.approx(np.mean(counts))


def test_utterances_of_similar_length_share_a_batch():
    lengths = np.random.default_rng(0).gamma(2.0, 20.0, 3000).astype(int) + 5
    utterances = [
        BatchItem(utterances=1, labelled=1, key=n, lengths=(n,)) for n in lengths.tolist()
    ]
    sampler = BalancedSampler(utterances, [0] * 3000, size=8, seed=0, upsampling=0.0)
    assert sampler.padding_share(epoch(sampler, 0)) <= 0.1
    assert overlap(sampler) < 0.05
