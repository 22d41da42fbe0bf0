import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmerc.experiments.robustness.disturbances import DISTURBANCES, drop_conversation_words
from mmerc.media.degradation import drop_words, utterance_seed

WORDS = [f"word{number}" for number in range(20)]
SEEDS = st.integers(0, 2**64 - 1)


def test_list_of_disturbances():
    named = {(d.modality, d.name) for d in DISTURBANCES}
    assert len(named) == len(DISTURBANCES) == 15
    assert {name for modality, name in named if modality == "audio"} == {
        "noise, 20 dB", "noise, 10 dB", "noise, 0 dB", "zeroed", "absent",
    }  # fmt: skip


@pytest.mark.parametrize("share", [0.1, 0.3, 0.5])
def test_requested_share_of_words_is_removed(share):
    text = " ".join(WORDS)
    remaining = [len(drop_words(text, share, seed=seed).split()) for seed in range(2000)]
    assert 1 - sum(remaining) / 40_000 == pytest.approx(share, abs=0.01)
    assert len(set(remaining)) > 4  # each word by itself


@given(st.lists(st.sampled_from(WORDS), min_size=1), st.floats(0, 1), st.floats(0, 1), SEEDS)
def test_remaining_words_keep_their_order(words, one, other, seed):
    def remaining(share):
        return drop_words(" ".join(words), share, seed=seed).split()

    small, great = sorted((one, other))
    rest = iter(words)
    assert all(word in rest for word in remaining(small))  # a subsequence
    assert 1 <= len(remaining(great)) <= len(remaining(small))
    assert remaining(0.0) == words
    assert len(remaining(1.0)) == 1


@pytest.mark.parametrize("text", ["", "  ", "Yes!"])
def test_empty_and_single_word_texts_are_unchanged(text):
    assert drop_words(text, 0.5, seed=1) == text


def test_disturbance_depends_only_on_ids(make_conversation):
    one, other = (make_conversation(name, 6, seed=1) for name in ("one", "other"))
    texts = [" ".join(WORDS)] * 6
    same = [utterance_seed("one", item.id) for item in one.utterances]
    assert len(set(same)) == 6
    assert utterance_seed("a", "bc") != utterance_seed("ab", "c")
    dropped = drop_conversation_words(one, 0.5)
    assert dropped == drop_conversation_words(one, 0.5)
    for item, seed in zip(dropped.utterances, same, strict=True):
        source = next(u for u in one.utterances if u.id == item.id)
        assert item.text == drop_words(source.text, 0.5, seed=seed)
        assert item.label == source.label
    assert len({drop_words(texts[0], 0.5, seed=seed) for seed in same}) == 6
    assert other.id != one.id
