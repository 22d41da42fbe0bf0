"""Overlaps and non-maximum suppression, compared with loops over pairs."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmerc.media.faces import boxes as module
from mmerc.media.faces.boxes import make_square, move_boxes, overlaps, suppress_overlaps

COORDINATE = st.integers(0, 30)
BOX = st.tuples(COORDINATE, COORDINATE, st.integers(1, 20), st.integers(1, 20)).map(
    lambda b: [float(b[0]), float(b[1]), float(b[0] + b[2]), float(b[1] + b[3])]
)
FOUND = st.lists(st.tuples(BOX, st.integers(0, 2)), min_size=1, max_size=12)


def overlap_of(a, b, measure):
    width = max(0, min(a[2], b[2]) - max(a[0], b[0]))
    height = max(0, min(a[3], b[3]) - max(a[1], b[1]))
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (a, b)]
    common = width * height
    return common / (min(areas) if measure == "smaller" else sum(areas) - common)


@settings(deadline=None, max_examples=50)
@given(actual=FOUND, measure=st.sampled_from(["union", "smaller"]))
def test_box_overlaps(actual, measure):
    given_boxes = [box for box, _ in actual]
    tensor = torch.tensor(given_boxes)
    expected = torch.tensor([[overlap_of(a, b, measure) for b in given_boxes] for a in given_boxes])
    torch.testing.assert_close(overlaps(tensor, tensor, measure), expected)


@settings(deadline=None, max_examples=50)
@given(
    actual=FOUND,
    measure=st.sampled_from(["union", "smaller"]),
    limit=st.sampled_from([0.3, 0.5, 0.71]),
    seed=st.integers(0, 99),
)
def test_suppress_overlaps(actual, measure, limit, seed):
    """Boxes are kept unless they overlap a better box of their group too much."""
    given_boxes, groups = [box for box, _ in actual], [group for _, group in actual]
    scores = torch.rand(len(actual), generator=torch.Generator().manual_seed(seed))
    expected = [
        i
        for i in sorted(range(len(actual)), key=lambda i: (groups[i], -scores[i]))
        if not any(
            groups[i] == groups[j]
            and scores[j] > scores[i]
            and overlap_of(given_boxes[i], given_boxes[j], measure) > limit
            for j in range(len(actual))
        )
    ]
    kept = suppress_overlaps(
        torch.tensor(given_boxes), scores, torch.tensor(groups), overlap=limit, measure=measure
    )
    assert kept.tolist() == expected


def test_no_boxes():
    none = torch.zeros(0, dtype=torch.long)
    assert suppress_overlaps(torch.zeros(0, 4), torch.zeros(0), none, overlap=0.5).shape == (0,)
    assert make_square(torch.zeros(0, 4)).shape == (0, 4)


def test_chunked_pairs_give_equal_results(monkeypatch):
    torch.manual_seed(0)
    start = torch.rand(300, 2) * 50
    boxes, scores = torch.cat([start, start + 5 + torch.rand(300, 2) * 20], 1), torch.rand(300)
    groups = torch.randint(0, 9, (300,))
    whole = suppress_overlaps(boxes, scores, groups, overlap=0.3)
    monkeypatch.setattr(module, "_PAIRS_AT_ONCE", 1)
    assert suppress_overlaps(boxes, scores, groups, overlap=0.3).tolist() == whole.tolist()


def test_best_boxes_are_kept_if_there_are_too_many(monkeypatch):
    monkeypatch.setattr(module, "_MOST_IN_A_GROUP", 5)
    start = torch.arange(20.0)[:, None] * 10
    boxes = torch.cat([start, start, start + 5, start + 5], dim=1)
    groups = torch.arange(20) % 2
    kept = suppress_overlaps(boxes, torch.arange(20.0), groups, overlap=0.5)
    assert kept.tolist() == [18, 16, 14, 12, 10, 19, 17, 15, 13, 11]


@pytest.mark.parametrize(
    ("box", "square"), [([0, 0, 4, 2], [0, -1, 4, 3]), ([2, 0, 3, 9], [-2, 0, 7, 9])]
)
def test_squares_keep_their_centre(box, square):
    actual = make_square(torch.tensor([box], dtype=torch.float32))
    assert actual.tolist() == [[float(side) for side in square]]


def test_boxes_move_by_fractions_of_their_sides():
    actual = move_boxes(torch.tensor([[10.0, 20, 19, 39]]), torch.tensor([[0.1, 0.1, -0.2, 0.5]]))
    torch.testing.assert_close(actual, torch.tensor([[11.0, 22, 17, 49]]))
