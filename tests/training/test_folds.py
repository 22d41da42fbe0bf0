import pytest

from mmerc.errors import InputError
from mmerc.training.folds import fold_corpora


def ids(corpus, split):
    return [conversation.id for conversation in corpus.splits.get(split, ())]


@pytest.mark.parametrize("folds", [2, 3, 4, 5, 6])
def test_folds_partition_the_training_conversations(small_corpus, folds):
    corpora = list(fold_corpora(small_corpus, folds=folds))
    training = sorted(ids(small_corpus, "train"))
    held_out = [name for corpus in corpora for name in ids(corpus, "valid")]
    assert len(corpora) == folds
    assert sorted(held_out) == training  # each exactly once
    sizes = [len(ids(corpus, "valid")) for corpus in corpora]
    assert max(sizes) - min(sizes) <= 1
    for corpus in corpora:
        assert sorted(ids(corpus, "train") + ids(corpus, "valid")) == training
        assert set(corpus.splits) == {"train", "valid"}
        assert ids(corpus, "train")


def test_validation_and_test_conversations_are_in_no_fold(small_corpus):
    others = {*ids(small_corpus, "valid"), *ids(small_corpus, "test")}
    for corpus in fold_corpora(small_corpus, folds=3):
        assert not others & {*ids(corpus, "train"), *ids(corpus, "valid")}


def test_folds_keep_the_rest_of_the_corpus(small_corpus):
    whole = {c.id: c for c in small_corpus.splits["train"]}
    for corpus in fold_corpora(small_corpus, folds=2):
        assert (corpus.name, corpus.labels) == (small_corpus.name, small_corpus.labels)
        assert corpus.features is small_corpus.features
        assert all(whole[c.id] is c for items in corpus.splits.values() for c in items)


def test_folds_depend_on_the_seed(small_corpus):
    def made(seed):
        return [c.splits for c in fold_corpora(small_corpus, folds=3, seed=seed)]

    assert made(0) == made(0)
    assert len({str(made(seed)) for seed in range(4)}) > 1
    assert list(small_corpus.splits["train"]) == sorted(
        small_corpus.splits["train"], key=lambda c: c.id
    )  # not shuffled in place


def test_folds_have_different_fingerprints(small_corpus):
    prints = [c.fingerprints["conversations"] for c in fold_corpora(small_corpus, folds=3)]
    assert len({*prints, small_corpus.fingerprints["conversations"]}) == 4


@pytest.mark.parametrize("folds", [-1, 0, 1, 7])
def test_invalid_numbers_of_folds_are_refused(small_corpus, folds):
    with pytest.raises(InputError, match=f"6 training conversations cannot make {folds} folds"):
        list(fold_corpora(small_corpus, folds=folds))


def test_corpus_without_training_conversations_is_refused(small_corpus):
    only = type(small_corpus)(
        name="none", labels=small_corpus.labels, splits={}, features=small_corpus.features
    )
    with pytest.raises(InputError, match="0 training conversations"):
        list(fold_corpora(only, folds=2))
