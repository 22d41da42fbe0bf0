"""Sampling, collating, and validation of conversations."""

from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import torch

from mmerc.conversation import MODALITIES, Conversation, Utterance
from mmerc.data.batch import ConversationBatch
from mmerc.data.batches import _Collate, batch_loader, feature_statistics
from mmerc.data.examples import TextInput, build_examples
from mmerc.errors import InputError
from mmerc.features.store import FeatureRow, FeatureSpec, FeatureTable
from mmerc.nn.encoder_sources import resolve_encoder
from mmerc.nn.text_encoder import _similar_rows
from mmerc.nn.tokenizer import TextTokenizer

MELD = Path(__file__).parents[3] / "shared" / "data" / "meld"


@pytest.fixture(scope="module")
def tokenizer(tiny_encoder):
    return TextTokenizer(tiny_encoder, max_length=64)


def make_conversation(*texts, speaker="a"):
    return Conversation(
        id="c",
        utterances=tuple(
            Utterance(id=str(i), speaker=speaker, text=text) for i, text in enumerate(texts)
        ),
    )


def text_examples(conversations, labels, tokenizer, *, speaker_prefix=False, tokens=256):
    text = TextInput(tokenizer=tokenizer, utterance_tokens=tokens, speaker_prefix=speaker_prefix)
    return build_examples(conversations, labels=labels, widths={}, tables={}, text=text)


def test_meld_batches_have_little_padding(label_names):
    """Share of padding in the encoder's input, for bounded and random batches of 8 dialogues."""
    if not (MELD / "train_sent_emo.csv").is_file():
        pytest.skip("no folder shared/data/meld with the real corpus beside the checkout")
    from mmerc.corpora.meld import read_meld

    raw = read_meld(MELD)
    tokenizer = TextTokenizer(resolve_encoder("minilm-l6"), max_length=512)
    examples = text_examples(raw.splits["train"], raw.labels, tokenizer)
    for bound in (0.1, 1.0):
        read = total = grouped = 0
        loader = batch_loader(examples, tokenizer=tokenizer, size=8, shuffle=True, padding=bound)
        for batch in loader:
            lengths = batch.windows.attention_mask.sum(-1).tolist()
            read += sum(lengths)
            total += batch.windows.attention_mask.numel()
            grouped += sum(len(rows) * length for rows, length in _similar_rows(lengths))
        assert 1 - read / grouped < 0.1
    assert 1 - read / total > 0.1  # without length groups, random batches would cost more


def test_collate(make_examples, tokenizer, widths):
    examples = make_examples([3, 1, 5], absent=0.3, unknown=0.3, tokenizer=tokenizer)
    examples = [examples[2], examples[0], examples[1]]
    batch = _Collate(tokenizer)(examples)
    assert len(batch) == 3
    assert batch.indices.tolist() == [2, 0, 1]
    assert set(batch.present) == set(MODALITIES)
    assert set(batch.features) == {"audio", "video"}
    for row, example in enumerate(examples):
        for column in range(5):
            real = column < len(example)
            assert bool(batch.mask[row, column]) == real
            assert int(batch.labels[row, column]) == (int(example.labels[column]) if real else -100)
            assert int(batch.speakers[row, column]) == (example.speakers[column] if real else 0)
            for m in MODALITIES:
                present = real and bool(example.present[m][column])
                assert bool(batch.present[m][row, column]) == present
                if m in batch.features:
                    expected = example.features[m][column] if present else torch.zeros(widths[m])
                    assert torch.equal(batch.features[m][row, column], expected)


def test_vectors_need_no_tokenizer(make_examples, widths):
    batch = _Collate(None)(make_examples([2, 3]))
    assert batch.windows is None
    assert {m: batch.features[m].shape for m in batch.features} == {
        m: (2, 3, width) for m, width in widths.items()
    }


def test_moving_to_a_device_keeps_every_field(make_batch, tokenizer):
    batch = make_batch([2, 4], tokenizer=tokenizer, absent=0.2)
    moved = batch.to("cpu")
    for field in fields(ConversationBatch):
        one, other = getattr(batch, field.name), getattr(moved, field.name)
        if field.name == "windows":
            for name in ("token_ids", "attention_mask", "pool_into"):
                assert torch.equal(getattr(one, name), getattr(other, name))
        elif isinstance(one, torch.Tensor):
            assert torch.equal(one, other)
        elif one is None:
            assert other is None
        else:
            assert one.keys() == other.keys()
            assert all(torch.equal(one[name], other[name]) for name in one)
    meta = batch.to("meta")
    tensors = [meta.mask, meta.speakers, meta.labels, meta.indices, meta.windows.token_ids]
    tensors += [meta.windows.pool_into, meta.windows.attention_mask]
    tensors += [*meta.features.values(), *meta.present.values()]
    assert {tensor.device.type for tensor in tensors} == {"meta"}


def test_statistics_exclude_absent_vectors(make_examples):
    examples = make_examples([4, 7, 2], absent=0.4)
    actual = feature_statistics(examples)
    for modality in MODALITIES:
        rows = [
            example.features[modality][i].numpy()
            for example in examples
            for i in range(len(example))
            if example.present[modality][i]
        ]
        mean, deviation = actual[modality]
        np.testing.assert_allclose(mean, np.mean(rows, 0, dtype="float64"), rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(deviation, np.std(rows, 0, dtype="float64"), rtol=1e-5)


def test_statistics_of_constant_and_missing_values(make_examples):
    examples = make_examples([3, 3])
    for example in examples:
        example.features["audio"][:, 2] = 4.0
        example.present["video"][:] = False
    actual = feature_statistics(examples)
    assert float(actual["audio"][0][2]) == 4
    assert float(actual["audio"][1][2]) == 1
    assert actual["video"][0].tolist() == [0] * 5
    assert actual["video"][1].tolist() == [1] * 5


def test_examples_of_a_corpus(small_corpus, label_names):
    conversations = small_corpus.splits["train"]
    examples = build_examples(
        conversations,
        labels=label_names,
        widths={m: table.spec.dim for m, table in small_corpus.features.items()},
        tables=small_corpus.features,
        text=None,
    )
    for index, (example, conversation) in enumerate(zip(examples, conversations, strict=True)):
        assert (example.index, example.cost) == (index, len(conversation))
        heard = []
        for i, utterance in enumerate(conversation.utterances):
            if utterance.speaker not in heard:
                heard.append(utterance.speaker)
            assert int(example.speakers[i]) == heard.index(utterance.speaker)
            expected = -100 if utterance.label is None else label_names.index(utterance.label)
            assert int(example.labels[i]) == expected
            for m, table in small_corpus.features.items():
                vector = table.vector(conversation.id, utterance.id)
                assert bool(example.present[m][i]) == (vector is not None)
                requested = np.zeros(table.spec.dim) if vector is None else vector
                assert np.array_equal(example.features[m][i].numpy(), requested)


def test_vectors_of_wrong_width_are_refused(label_names):
    spec = FeatureSpec(modality="audio", extractor="own", dim=3)
    row = FeatureRow(conversation="c", utterance="0", vector=np.zeros(3, "float32"))
    with pytest.raises(InputError, match="3 wide, but the model expects 4"):
        build_examples(
            [make_conversation("yes")],
            labels=label_names,
            widths={"audio": 4},
            tables={"audio": FeatureTable.of(spec, [row])},
            text=None,
        )


def test_speaker_prefix(label_names, tokenizer):
    conversation = make_conversation("yes no", "", speaker="me")
    plain = text_examples([conversation], label_names, tokenizer)[0]
    named = text_examples([conversation], label_names, tokenizer, speaker_prefix=True)[0]
    assert plain.token_ids == tokenizer.encode(["yes no", ""], limit=9)
    assert named.token_ids == tokenizer.encode(["me: yes no", ""], limit=9)
    nobody = make_conversation("yes no", speaker="")
    assert text_examples([nobody], label_names, tokenizer, speaker_prefix=True)[0].token_ids == (
        tokenizer.encode(["yes no"], limit=9)
    )


HOSTILE = {
    "one utterance": ["yes"],
    "500 utterances": ["yes no why"] * 500,
    "5,000 words": ["yes", "no " * 5000, "why"],
    "emoji": ["🙂🙃 👩‍👩‍👧", "é́́́", "\u200b\ufeff"],
    "right to left": ["שלום עולם", "مرحبا", "\u202eyes"],
    "control characters": ["\x00", "\x1b[31m", "\t\n", "\ufffd"],
    "special tokens": ["[SEP] yes [CLS]", "[PAD]"],
    "empty": ["", " ", ""],
}


@pytest.mark.parametrize("texts", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("limit", [5, 256])
def test_hostile_text(texts, limit, label_names, tokenizer):
    examples = text_examples(
        [make_conversation(*texts), make_conversation("yes", "no")],
        label_names,
        tokenizer,
        tokens=limit,
    )
    batch = _Collate(tokenizer)(examples)
    windows = batch.windows
    assert batch.mask.sum(1).tolist() == [len(texts), 2]
    assert windows.token_ids.shape[1] <= tokenizer.max_length
    nowhere = batch.mask.numel()
    pooled = set(windows.pool_into.flatten().tolist()) - {nowhere}
    assert pooled == set(batch.present["text"].flatten().nonzero().flatten().tolist())
    assert not (batch.present["text"] & ~batch.mask).any()
    for text, ids in zip(texts, examples[0].token_ids, strict=True):
        assert len(ids) <= min(limit, tokenizer.max_length - 2)
        assert ids or not any(letter.isalnum() for letter in text)
