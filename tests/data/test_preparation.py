import numpy as np
import pytest

from mmerc.conversation import Conversation, Utterance
from mmerc.corpora.base import RawCorpus
from mmerc.data.corpus import PreparedCorpus
from mmerc.data.preparation import _write_corpus, counts_table
from mmerc.errors import InputError
from mmerc.labels import MOSI_2


def corpus(**more):
    spoken = (
        Utterance(id="1", speaker="a", text="well", label="positive", start=1),
        Utterance(id="2", speaker="b", text="no"),
    )
    splits = {
        "test": (Conversation(id="t", utterances=spoken[:1]),),
        "train": (Conversation(id="c", utterances=spoken),),
        "valid": (),
    }
    return RawCorpus(name="own", labels=MOSI_2, splits=splits, **more)


def test_absent_vectors_have_reasons_and_empty_modalities_are_omitted(tmp_path):
    features = {"audio": {("c", "1"): np.ones(3)}, "video": {("c", "1"): None}}
    _write_corpus(corpus(features=features), tmp_path / "out")
    loaded = PreparedCorpus.load(tmp_path / "out")
    assert list(loaded.splits) == ["train", "test"]
    assert set(loaded.features) == {"audio"}
    spec = loaded.features["audio"].spec
    assert (spec.extractor, spec.dim, spec.settings) == ("published", 3, {"source": "own"})
    assert loaded.features["audio"].vector("c", "1").tolist() == [1, 1, 1]
    row = loaded.features["audio"].rows["c", "2"]
    assert row.vector is None
    assert row.absent_because == "the corpus was published without it"


def test_counts_are_compared_with_the_published_ones(tmp_path):
    raw = corpus(published={"test": (5, 2)})
    train, test = counts_table(_write_corpus(raw, tmp_path / "out"))
    assert (train.utterances, train.conversations, train.published_utterances) == (2, 1, None)
    assert train.labels == {"negative": 0, "positive": 1}
    assert (test.split, test.published_utterances, test.published_conversations) == ("test", 5, 2)


def test_folder_in_use_needs_overwrite(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("keep")
    with pytest.raises(InputError, match="exists already"):
        _write_corpus(corpus(), tmp_path / "out")
    assert (tmp_path / "out" / "mine.txt").read_text() == "keep"
    _write_corpus(corpus(), tmp_path / "out", overwrite=True)
    assert not (tmp_path / "out" / "mine.txt").exists()


def test_bad_corpora_are_refused(tmp_path):
    widths = {"audio": {("c", "1"): np.ones(3), ("c", "2"): np.ones(2)}}
    with pytest.raises(InputError, match=r"corpus 'own', audio vector .* expected 3 numbers"):
        _write_corpus(corpus(features=widths), tmp_path / "out")
    empty = RawCorpus(name="none", labels=MOSI_2, splits={"train": ()})
    with pytest.raises(InputError, match="'none': it contains no conversation"):
        _write_corpus(empty, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_vectors_that_saw_their_labels_are_marked(tmp_path):
    keys = [("c", "1"), ("c", "2"), ("t", "1")]
    features = {m: {key: np.ones(3) for key in keys} for m in ("text", "audio")}
    features["text"]["c", "2"] = None
    raw = corpus(features=features, saw_labels=frozenset({"text"}))
    _write_corpus(raw, tmp_path / "out")
    loaded = PreparedCorpus.load(tmp_path / "out").features
    saw = {m: [loaded[m].rows[key].saw_label for key in keys] for m in features}
    assert saw == {"text": [True, False, False], "audio": [False, False, False]}
