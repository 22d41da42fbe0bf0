"""The public function ``mmerc.predict``."""

from dataclasses import replace

import pytest

import mmerc
from mmerc.conversation import Conversation, Utterance
from mmerc.errors import InputError

TALK = Conversation(
    id="talk",
    utterances=(
        Utterance(id="1", speaker="Ada", text="We won, can you believe it?"),
        Utterance(id="2", speaker="Ben", text="I was so worried."),
    ),
)


@pytest.fixture(scope="module")
def folder(make_model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("text") / "model"
    make_model("language-model", tokens=True).save_pretrained(folder)
    return folder


def test_predicts_from_transcript_file_and_model_folder(folder, tmp_path):
    (tmp_path / "talk.txt").write_text("Ada: We won!\nBen: I was so worried.\n")
    talk = mmerc.read_transcript(tmp_path / "talk.txt")
    predictions = mmerc.predict(mmerc.load_model(str(folder)), talk)
    assert [(p.speaker, p.text) for p in predictions] == [
        ("Ada", "We won!"),
        ("Ben", "I was so worried."),
    ]
    assert all(abs(sum(p.probabilities.values()) - 1) < 1e-4 for p in predictions)


def test_accepts_a_model_name_and_a_single_conversation(folder):
    model = mmerc.load_model(folder)
    expected = mmerc.predict(model, [TALK])
    assert mmerc.predict(folder, TALK) == expected
    assert mmerc.predict(str(folder), (TALK,), {}) == expected


def test_labels_are_ignored(folder):
    first, *others = TALK.utterances
    labelled = replace(TALK, utterances=(replace(first, label="no such label"), *others))
    assert mmerc.predict(folder, labelled) == mmerc.predict(folder, TALK)


def test_precomputed_vectors_are_accepted(make_model, small_corpus):
    model = make_model("concatenation").eval()
    predictions = mmerc.predict(model, small_corpus.splits["test"], small_corpus.features)
    assert len(predictions) == sum(map(len, small_corpus.splits["test"]))
    with pytest.raises(InputError, match="contains none of the text or audio or video vectors"):
        mmerc.predict(model, small_corpus.splits["test"])


def test_corpus_folder_is_encoded_and_saved_again(folder, tiny_encoder, small_corpus, tmp_path):
    small_corpus.save(tmp_path / "corpus")
    encoded = mmerc.encode_text(tmp_path / "corpus", tiny_encoder, scope="utterance")
    assert encoded.features["text"].spec.settings["scope"] == "utterance"
    assert encoded.features["audio"] is not None
    assert encoded.splits == small_corpus.splits
    again = mmerc.encode_text(str(tmp_path / "corpus"), str(tiny_encoder), scope="utterance")
    assert again.fingerprints == encoded.fingerprints
    encoded.save(tmp_path / "encoded")
    assert (tmp_path / "encoded" / "corpus.json").is_file()
