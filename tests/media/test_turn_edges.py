"""Sentences begin and end at speaker turns, and no turn is lost."""

import pytest

from mmerc.media.sentences import Sentence, Word
from mmerc.media.speaker_turns import Turn
from mmerc.media.turn_edges import (
    align_sentences,
    choose_spoken,
    find_speech_without_words,
    widen_spans,
)
from mmerc.media.voice_activity import Span


def turns(*items):
    return tuple(Turn(speaker=name, start=start, end=end) for name, start, end in items)


def sentence(speaker, *times):
    """A sentence with one word per pair of start and end."""
    words = tuple(Word(text=f"w{n}", start=a, end=b) for n, (a, b) in enumerate(times))
    return Sentence(speaker=speaker, words=words)


def times(items):
    return [(item.start, item.end) for item in items]


def widen(spans, *who):
    return times(widen_spans([Span(*pair) for pair in spans], turns(*who)))


def test_turns_add_speech_missed_by_voice_activity():
    assert widen([(1, 2), (4, 5)], ("A", 0.8, 2.6)) == [(0.8, 2.6), (4, 5)]
    assert widen([(1, 2), (4, 5)], ("A", 1.5, 3.8)) == [(1, 5)]
    assert widen([(1, 2), (2.4, 3)]) == [(1, 2), (2.4, 3)]
    assert widen([]) == []


def test_long_speech_is_cut_at_a_pause():
    assert widen([(0, 9), (11, 24)], ("A", 0, 24)) == [(0, 10), (10, 24)]
    assert widen([(0.3, 20)], ("A", 0, 20.5)) == [(0, 20.5)]
    parts = widen([(0, 50)])
    assert parts[0][0] == 0 and parts[-1][1] == 50
    assert all(end - start <= 20 for start, end in parts)
    assert [end for _, end in parts[:-1]] == [start for start, _ in parts[1:]]


def test_speech_unheard_by_voice_activity_is_not_a_turn():
    who = turns(("A", 0, 2), ("B", 5, 6))
    assert choose_spoken(who, [Span(1, 3)]) == who[:1]
    assert choose_spoken(who, []) == ()


def test_sentence_starts_and_ends_with_its_turn():
    (moved,) = align_sentences([sentence("A", (1.5, 2), (2, 2.4))], turns(("A", 1, 2.9)))
    assert (moved.start, moved.end) == (1, 2.9)
    assert times(moved.words) == [(1, 2), (2, 2.9)]


@pytest.mark.parametrize(
    ("who", "expected"),
    [
        (("A", 0.1, 3.5), (1, 2)),  # too far
        (("B", 0.9, 2.1), (1, 2)),  # another speaker's
        (("A", 1.2, 1.9), (1.2, 1.9)),
        (("A", 1.6, 2.2), (1.4, 2.2)),  # never past the first word
    ],
)
def test_only_nearby_edges_of_its_own_turn_count(who, expected):
    (moved,) = align_sentences([sentence("A", (1, 1.4), (1.5, 2))], turns(who))
    assert (moved.start, moved.end) == expected


def test_sentence_is_not_moved_into_its_neighbour():
    pair = [sentence("A", (1, 1.8)), sentence("A", (2.2, 3))]
    moved = align_sentences(pair, turns(("A", 0.9, 2.6), ("A", 1.7, 3.1)))
    assert times(moved) == [(0.9, 1.8), (2.2, 3.1)]


def test_short_turn_between_sentences_belongs_to_one_of_them():
    pair = [sentence("A", (4, 5)), sentence("A", (5.6, 7))]
    assert times(align_sentences(pair, turns(("A", 5.2, 5.5)))) == [(4, 5.5), (5.6, 7)]


def test_sentence_between_two_turns_keeps_its_length():
    said = [sentence("A", (5, 5.3)), sentence("A", (8, 8.1), (8.1, 8.3))]
    who = turns(("A", 3, 4.9), ("A", 5.2, 7.9), ("A", 8.2, 9.5))
    assert times(align_sentences(said, who)) == times(said)


def test_turns_and_long_parts_without_words_are_found():
    said = [sentence("A", (1, 2)), sentence("A", (3.2, 4))]
    who = turns(("A", 0.8, 4.1), ("B", 2, 2.5), ("B", 5, 5.4))
    assert find_speech_without_words(said, who) == turns(("A", 2, 3.2), ("B", 2, 2.5))
    assert find_speech_without_words([], turns(("A", 1, 2))) == turns(("A", 1, 2))
    assert find_speech_without_words([sentence("A", (0, 9))], turns(("A", 1, 2))) == ()
    assert find_speech_without_words(said, who, parts=False) == turns(("B", 2, 2.5))
