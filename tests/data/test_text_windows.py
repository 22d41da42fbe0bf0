"""Windows of whole utterances: properties that hold for any conversation."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmerc.data.text_windows import (
    _SHARED_ROW,
    _plan_windows,
    build_windows,
    surrounding,
)
from mmerc.nn.padding import ROW_STEP

BUDGET = 40
LENGTHS = st.lists(st.integers(0, BUDGET), min_size=1, max_size=40)


class OwnTokenizer:
    """Special tokens 1 and 2, padding 0."""

    scope = "conversation"
    max_length = BUDGET + 2
    first_id, last_id, pad_id = 1, 2, 0


class UtteranceTokenizer(OwnTokenizer):
    scope = "utterance"


class SurroundingTokenizer(OwnTokenizer):
    scope = "surrounding"


def distance_to_edge(lengths, window, utterance):
    before = sum(lengths[window.start : utterance])
    after = sum(lengths[utterance + 1 : window.end])
    return min(before, after)


@given(lengths=LENGTHS)
def test_every_utterance_is_pooled_exactly_once(lengths):
    pooled = [u for window in _plan_windows(lengths, budget=BUDGET) for u in window.pooled]
    assert sorted(pooled) == list(range(len(lengths)))


@given(lengths=LENGTHS)
def test_windows_contain_their_utterances_and_respect_the_budget(lengths):
    for window in _plan_windows(lengths, budget=BUDGET):
        assert window.end > window.start
        assert sum(lengths[window.start : window.end]) <= BUDGET
        assert window.pooled <= set(range(window.start, window.end))


@given(lengths=LENGTHS)
def test_windows_advance_and_cover_everything(lengths):
    windows = _plan_windows(lengths, budget=BUDGET)
    assert windows[0].start == 0
    assert windows[-1].end == len(lengths)
    for one, following in itertools.pairwise(windows):
        assert one.start < following.start <= one.end < following.end


@given(lengths=LENGTHS)
def test_utterances_are_pooled_in_the_most_central_window(lengths):
    windows = _plan_windows(lengths, budget=BUDGET)
    for window in windows:
        for utterance in window.pooled:
            best = max(
                distance_to_edge(lengths, other, utterance)
                for other in windows
                if other.start <= utterance < other.end
            )
            assert distance_to_edge(lengths, window, utterance) == best


@given(lengths=st.lists(st.integers(1, BUDGET // 4), min_size=1, max_size=60))
def test_overlap_is_about_half_for_short_utterances(lengths):
    windows = _plan_windows(lengths, budget=BUDGET)
    for one, following in itertools.pairwise(windows):
        overlap = sum(lengths[following.start : one.end])
        assert BUDGET // 2 - max(lengths) < overlap <= BUDGET // 2


@given(lengths=LENGTHS.filter(lambda lengths: sum(lengths) <= BUDGET))
def test_one_window_if_everything_fits(lengths):
    windows = _plan_windows(lengths, budget=BUDGET)
    assert [(window.start, window.end) for window in windows] == [(0, len(lengths))]


@pytest.mark.parametrize("count", [2, 3, 7])
def test_progress_with_utterances_of_256_tokens(count):
    """Two of them with special tokens need 514 places, so each is alone."""
    windows = _plan_windows([256] * count, budget=510)
    assert [(w.start, w.end, set(w.pooled)) for w in windows] == [
        (i, i + 1, {i}) for i in range(count)
    ]


@given(
    conversations=st.lists(
        st.lists(st.integers(0, BUDGET), min_size=1, max_size=8), min_size=1, max_size=4
    )
)
def test_tokens_of_a_batch(conversations):
    """Check that every token is pooled once, in order, from rows [first .. last pad]."""
    number = iter(range(10, 10_000))
    tokens = [[[next(number) for _ in range(size)] for size in sizes] for sizes in conversations]
    padded = max(map(len, tokens)) + 1
    windows = build_windows(tokens, OwnTokenizer(), padded)
    actual = {}
    for ids, seen, pool in zip(
        windows.token_ids.tolist(),
        windows.attention_mask.tolist(),
        windows.pool_into.tolist(),
        strict=True,
    ):
        length = sum(seen)
        assert seen == [True] * length + [False] * (len(ids) - length)
        assert (ids[0], ids[length - 1]) == (1, 2)
        assert length <= OwnTokenizer.max_length
        assert ids[length:] == [0] * (len(ids) - length)
        assert {pool[0], pool[length - 1], *pool[length:]} == {len(tokens) * padded}
        for token, target in zip(ids[1 : length - 1], pool[1 : length - 1], strict=True):
            if target < len(tokens) * padded:
                actual.setdefault(target, []).append(token)
    assert actual == {
        row * padded + i: ids
        for row, utterances in enumerate(tokens)
        for i, ids in enumerate(utterances)
        if ids
    }
    assert windows.attention_mask.any(0).logical_not().sum() < ROW_STEP
    length = windows.token_ids.shape[1]
    assert length % ROW_STEP == 0 or length == OwnTokenizer.max_length


@given(
    conversations=st.lists(
        st.lists(st.integers(0, BUDGET), min_size=1, max_size=30), min_size=1, max_size=6
    )
)
def test_isolated_utterances_share_rows(conversations):
    """Each is complete, once, between special tokens; no two rows would fit into one."""
    number = iter(range(10, 10_000))
    tokens = [[[next(number) for _ in range(size)] for size in sizes] for sizes in conversations]
    padded = max(map(len, tokens))
    windows = build_windows(tokens, UtteranceTokenizer(), padded)
    actual, filled = {}, []
    rows = zip(windows.token_ids.tolist(), windows.pool_into.tolist(), strict=True)
    for ids, pool in rows:
        real = [pair for pair in zip(pool, ids, strict=True) if pair[0] < len(tokens) * padded]
        filled.append(len(real))
        for target, group in itertools.groupby(real, key=lambda pair: pair[0]):
            assert target not in actual
            actual[target] = [token for _, token in group]
    assert actual == {
        row * padded + i: [1, *ids, 2]
        for row, utterances in enumerate(tokens)
        for i, ids in enumerate(utterances)
        if ids
    }
    limit = min(_SHARED_ROW, UtteranceTokenizer.max_length)
    assert all(one + other > limit for one, other in itertools.combinations(filled, 2))


@given(lengths=LENGTHS, share=st.floats(0, 1, exclude_max=True))
def test_surroundings_fit_and_are_trimmed_symmetrically(lengths, share):
    current = int(share * len(lengths))
    start, end = surrounding(lengths, current, budget=BUDGET)
    assert 0 <= start <= current < end <= len(lengths)
    assert sum(lengths[start:end]) <= BUDGET
    order = sorted(range(len(lengths)), key=lambda u: (abs(u - current), u > current))
    kept = end - start
    assert sorted(order[:kept]) == list(range(start, end))
    if kept < len(lengths):
        assert sum(lengths[u] for u in order[: kept + 1]) > BUDGET


@pytest.mark.parametrize(
    ("current", "budget", "expected"),
    [
        (2, 50, (0, 5)),
        (2, 49, (0, 4)),  # of two equally distant ones, the following is dropped first
        (2, 39, (1, 4)),
        (2, 29, (1, 3)),
        (2, 10, (2, 3)),
        (0, 30, (0, 3)),
        (4, 30, (2, 5)),
    ],
)
def test_furthest_context_is_dropped_first(current, budget, expected):
    assert surrounding([10] * 5, current, budget=budget) == expected


def test_rows_with_surroundings_match_the_paper():
    """[CLS] what precedes [SEP] utterance [SEP] what follows [SEP]; [CLS] alone is pooled."""
    windows = build_windows([[[11, 12], [], [13]], [[14]]], SurroundingTokenizer(), 3)
    rows = [
        ids[: sum(seen)]
        for ids, seen in zip(
            windows.token_ids.tolist(), windows.attention_mask.tolist(), strict=True
        )
    ]
    assert rows == [[1, 2, 11, 12, 2, 13, 2], [1, 11, 12, 2, 13, 2, 2], [1, 2, 14, 2, 2]]
    assert windows.pool_into[:, 0].tolist() == [0, 2, 3]
    assert set(windows.pool_into[:, 1:].flatten().tolist()) == {6}


@given(
    conversations=st.lists(
        st.lists(st.integers(0, BUDGET - 2), min_size=1, max_size=8), min_size=1, max_size=4
    )
)
def test_surroundings_respect_the_limit_and_keep_the_utterance(conversations):
    number = iter(range(10, 10_000))
    tokens = [[[next(number) for _ in range(size)] for size in sizes] for sizes in conversations]
    padded = max(map(len, tokens))
    windows = build_windows(tokens, SurroundingTokenizer(), padded)
    assert windows.token_ids.shape[1] <= SurroundingTokenizer.max_length
    rows = zip(windows.token_ids.tolist(), windows.pool_into[:, 0].tolist(), strict=True)
    actual = {target: ids for ids, target in rows if target < len(tokens) * padded}
    said = {
        row * padded + i: ids
        for row, utterances in enumerate(tokens)
        for i, ids in enumerate(utterances)
        if ids
    }
    assert actual.keys() == said.keys()
    for target, ids in said.items():
        text = actual[target]
        start = text.index(ids[0])
        assert text[start - 1 : start + len(ids) + 1] == [2, *ids, 2]
