"""Text vectors of an encoder, and whether it was trained on the labels of its input."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from mmerc.corpora.iemocap import _CORPUS_NAMES
from mmerc.data.batches import _Collate
from mmerc.errors import InputError, MmercError, UsageError
from mmerc.files import file_fingerprint
from mmerc.models.embedded_models import find_embedded_model
from mmerc.models.training_data import TrainedOn
from mmerc.prediction.run_model import build_model_examples
from mmerc.prediction.text_encoding import encode_text, load_encoder

SEEN = frozenset({"train-0", "train-2", "train-3"})


@pytest.fixture(scope="module")
def model(make_model):
    return make_model("language-model", tokens=True, encoder={"speaker_prefix": True}).eval()


@pytest.fixture(scope="module")
def folder(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("encoder") / "model"
    model.save_pretrained(folder, trained_on=TrainedOn(corpus="small", conversations=SEEN))
    return folder


def encoded(source, corpus, *, name="small", reading=None):
    return encode_text(replace(corpus, name=name), source, **(reading or {})).features["text"]


def all_conversations(corpus):
    return [item for group in corpus.splits.values() for item in group]


def test_rows_record_whether_the_encoder_saw_their_label(folder, small_corpus):
    table = encoded(folder, small_corpus)
    assert {key[0] for key, row in table.rows.items() if row.saw_label} == SEEN
    for conversation in all_conversations(small_corpus):
        marks = {table.rows[conversation.id, u.id].saw_label for u in conversation.utterances}
        assert marks == {conversation.id in SEEN}


def test_ids_of_another_corpus_are_ignored(folder, small_corpus):
    table = encoded(folder, small_corpus, name="another")
    assert not any(row.saw_label for row in table.rows.values())


@pytest.mark.parametrize(
    ("trained", "encoded_corpus"),
    [
        (TrainedOn(corpus="meld", conversations=SEEN), "meld"),
        (TrainedOn(corpus="composed", conversations=SEEN, labels_of="meld"), "meld"),
        (TrainedOn(corpus="iemocap-4", conversations=SEEN, labels_of="iemocap"), "iemocap"),
    ],
    ids=["meld", "composed", "iemocap-4"],
)
def test_seen_labels_do_not_depend_on_the_corpus_name(
    model, small_corpus, tmp_path, trained, encoded_corpus
):
    """A derived corpus has the labels and conversation ids of its source."""
    model.save_pretrained(tmp_path / "model", trained_on=trained)
    table = encoded(tmp_path / "model", small_corpus, name=encoded_corpus)
    assert {key[0] for key, row in table.rows.items() if row.saw_label} == SEEN
    nothing = encoded(tmp_path / "model", small_corpus, name="own")
    assert not any(row.saw_label for row in nothing.rows.values())


@pytest.mark.parametrize(
    ("corpus", "source"),
    [("composed", "meld"), *((name, "iemocap") for name in sorted(_CORPUS_NAMES))],
)
def test_model_of_an_earlier_version_has_seen_all_labels_of_its_sources(
    model, tmp_path, corpus, source
):
    model.save_pretrained(tmp_path, trained_on=TrainedOn(corpus=corpus, conversations=SEEN))
    path = tmp_path / "training_data.json"
    message = json.loads(path.read_text())
    del message["labels_of"]
    path.write_text(json.dumps(message))
    assert TrainedOn.read(tmp_path).seen(source) == SEEN


def test_plain_encoder_saw_no_labels(tiny_encoder, small_corpus):
    table = encoded(tiny_encoder, small_corpus)
    assert not any(row.saw_label for row in table.rows.values())
    weights = file_fingerprint(tiny_encoder / "model.safetensors")
    assert table.spec.settings["weights"] == weights


def test_vectors_equal_the_model(model, folder, small_corpus):
    """Each conversation separately through the model's inputs; empty text is absent."""
    table = encoded(folder, small_corpus)
    assert (table.spec.modality, table.spec.dim) == ("text", 32)
    assert table.spec.settings["weights"] == file_fingerprint(folder / "model.safetensors")
    assert table.spec.settings["speaker_prefix"] is True
    empty = 0
    conversations = all_conversations(small_corpus)
    assert len(table.rows) == sum(map(len, conversations))
    for conversation in conversations:
        example = build_model_examples(model, [conversation], {})[0]
        batch = _Collate(model.text_encoder.tokenizer)([example])
        with torch.no_grad():
            expected = model.inputs(batch)[0]["text"][0].numpy()
        for i, utterance in enumerate(conversation.utterances):
            row = table.rows[conversation.id, utterance.id]
            if utterance.text:
                np.testing.assert_allclose(row.vector, expected[i], atol=1e-5, rtol=1e-4)
                assert row.vector.dtype == np.float32
                assert row.absent_because is None
            else:
                empty += 1
                assert row.vector is None
                assert row.absent_because == "empty text"
    assert empty > 0


def test_run_folder_stands_for_its_best_seed(folder, tmp_path):
    (tmp_path / "run.json").write_text("{}")
    result = {"seeds": [{"seed": 5, "valid": {"weighted_f1": 50.0}}]}
    (tmp_path / "result.json").write_text(json.dumps(result))
    (tmp_path / "seed-5").mkdir()
    (tmp_path / "seed-5" / "model").symlink_to(folder)
    _, trained_on, weights = load_encoder(str(tmp_path))
    assert trained_on.conversations == SEEN
    assert weights == file_fingerprint(folder / "model.safetensors")


def test_packaged_model_is_found_by_name(small_corpus):
    table = encode_text(small_corpus, "mmerc-mini-text").features["text"]
    weights = find_embedded_model("mmerc-mini-text") / "model.safetensors"
    assert table.spec.settings["weights"] == file_fingerprint(weights)


def test_model_without_text_encoder_is_refused(make_model, tmp_path):
    nothing = TrainedOn(corpus="small", conversations=SEEN)
    make_model("concatenation").save_pretrained(tmp_path / "model", trained_on=nothing)
    with pytest.raises(InputError, match="its model has no text encoder"):
        load_encoder(str(tmp_path / "model"))


def test_model_without_training_data_record_is_refused(model, tmp_path):
    """Its vectors would be mistaken for those of an encoder that saw no label."""
    model.save_pretrained(tmp_path / "model")
    with pytest.raises(MmercError, match=r"training_data\.json") as caught:
        load_encoder(str(tmp_path / "model"))
    assert "\n" not in str(caught.value)


def test_unknown_encoder_is_refused(small_corpus):
    with pytest.raises(MmercError, match="neither a folder nor in the Hub cache"):
        encoded("nobody/no-such-encoder", small_corpus)


def test_surroundings_in_the_papers_form(tiny_encoder, small_corpus):
    """[CLS] preceding [SEP] current [SEP] following [SEP], each with its speaker (MultiEMO)."""
    reading = {"scope": "surrounding", "speaker_prefix": True, "max_length": 40}
    table = encoded(tiny_encoder, small_corpus, reading=reading)
    assert table.spec.settings["scope"] == "surrounding"
    assert table.spec.fingerprint != encoded(tiny_encoder, small_corpus).spec.fingerprint
    encoder, *_ = load_encoder(str(tiny_encoder), settings=reading)
    first, last = encoder.tokenizer.first_id, encoder.tokenizer.last_id
    cut = 0
    for conversation in all_conversations(small_corpus):
        texts = [f"{u.speaker}: {u.text}" if u.text else "" for u in conversation.utterances]
        said = encoder.tokenizer.encode(texts, limit=36)
        for i, utterance in enumerate(conversation.utterances):
            if not said[i]:
                continue
            order = sorted(range(len(said)), key=lambda u: (abs(u - i), u > i))
            while sum(len(said[u]) for u in order) > 36:
                order.pop()
                cut += 1
            before = [token for u in sorted(order) if u < i for token in said[u]]
            after = [token for u in sorted(order) if u > i for token in said[u]]
            ids = torch.tensor([[first, *before, last, *said[i], last, *after, last]])
            with torch.no_grad():
                expected = encoder.backbone(input_ids=ids).last_hidden_state[0, 0].numpy()
            vector = table.vector(conversation.id, utterance.id)
            np.testing.assert_allclose(vector, expected, atol=1e-5, rtol=1e-4)
    assert cut > 0


def test_run_encodes_text_as_in_training(folder, small_corpus):
    with pytest.raises(UsageError, match="as it was trained to; remove scope"):
        encoded(folder, small_corpus, reading={"scope": "surrounding"})
