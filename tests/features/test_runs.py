"""Runs of utterances: every utterance once, neighbours in one video together, short runs last."""

from itertools import chain
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from mmerc.features.runs import split_runs

A, B = Path("a.mp4"), Path("b.mp4")


@given(films=st.lists(st.sampled_from([A, B, None]), max_size=60), processes=st.integers(1, 8))
def test_every_utterance_is_in_one_run_of_one_video(films, processes):
    runs = split_runs(films, processes=processes)
    assert list(chain(*runs)) == list(range(len(films)))
    for run in runs:
        assert len(run) == 1 or {films[n] for n in run} in ({A}, {B})


def test_runs_get_shorter_towards_the_end():
    lengths = [len(run) for run in split_runs([A] * 100, processes=2)]
    assert lengths[0] == 8
    assert lengths == sorted(lengths, reverse=True)
    assert lengths[-2:] == [1, 1]


def test_new_video_starts_a_new_run():
    assert split_runs([A] * 8 + [B] * 8, processes=1)[:2] == [range(8), range(8, 12)]
