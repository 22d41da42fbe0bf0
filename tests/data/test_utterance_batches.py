from dataclasses import replace

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given
from hypothesis import strategies as st

from mmerc.conversation import Conversation, Utterance
from mmerc.data.batches import _Collate
from mmerc.data.examples import TextInput, build_examples
from mmerc.data.history import UtteranceTokenizer
from mmerc.data.sounds import clip_lengths, missing_sounds, read_samples
from mmerc.data.utterance_batches import split_utterances, with_sounds
from mmerc.errors import InputError
from mmerc.labels import LabelSet
from mmerc.media.segment import Clip
from mmerc.nn.tokenizer import TextTokenizer

LABELS = LabelSet("own", ("calm", "glad"))


@pytest.fixture(scope="module")
def base(tiny_encoder):
    return TextTokenizer(tiny_encoder, max_length=64)


def words(base, ids):
    return " ".join(base.tokenizer._tokenizer.id_to_token(number) for number in ids)


def conversation(*texts, name="c"):
    return Conversation(
        id=name,
        utterances=tuple(
            Utterance(id=str(i), speaker="ab"[i % 2], text=text, label=LABELS.names[i % 2])
            for i, text in enumerate(texts)
        ),
    )


def test_history_and_target(base):
    tokenizer = UtteranceTokenizer(base, 2)
    text = TextInput(tokenizer=tokenizer, utterance_tokens=50, speaker_prefix=True)
    actual = [words(base, ids) for ids in text.encode(conversation("yes", "no", "why", "well"))]
    assert actual == [
        "[CLS] [SEP] a : yes [SEP]",
        "[CLS] a : yes [SEP] b : no [SEP]",
        "[CLS] a : yes b : no [SEP] a : why [SEP]",
        "[CLS] b : no a : why [SEP] b : well [SEP]",
    ]


def test_no_history_and_empty_texts(base):
    tokenizer = UtteranceTokenizer(base, 0)
    assert [words(base, ids) for ids in tokenizer.encode(["yes", "no"], limit=9)] == [
        "[CLS] [SEP] yes [SEP]",
        "[CLS] [SEP] no [SEP]",
    ]
    assert UtteranceTokenizer(base, 3).encode(["", "no", ""], limit=9)[::2] == [[], []]
    assert UtteranceTokenizer(base, 3).encode([], limit=9) == []


def test_text_of_two_thousand_tokens(base):
    tokenizer = UtteranceTokenizer(base, 5)
    text = TextInput(tokenizer=tokenizer, utterance_tokens=4000, speaker_prefix=False)
    for ids in text.encode(conversation("why", "yes " * 2000, "no")):
        assert len(ids) <= 64
    first, long, last = text.encode(conversation("why", "yes " * 2000, "no"))
    assert len(long) == 64
    assert words(base, long[-3:]) == "yes yes [SEP]"
    assert words(base, last) == "[CLS] [SEP] no [SEP]"  # the history does not fit and is dropped
    assert words(base, first) == "[CLS] [SEP] why [SEP]"


@given(sizes=st.lists(st.integers(0, 70), min_size=1, max_size=12), history=st.integers(0, 6))
def test_sequences_hold_the_latest_history_that_fits(sizes, history):
    class Plain:
        max_length, first_id, last_id, pad_id = 40, -1, -2, 0

        def encode(self, texts, *, limit):
            return [[number] * min(int(size), limit) for number, size in enumerate(texts, 1)]

    tokenizer = UtteranceTokenizer(Plain(), history)
    spoken = Plain().encode(sizes, limit=37)
    for j, ids in enumerate(tokenizer.encode(sizes, limit=100)):
        if not spoken[j]:
            assert ids == []
            continue
        start = j
        while start > max(0, j - history) and (
            sum(map(len, spoken[start - 1 : j])) + len(spoken[j]) + 3 <= 40
        ):
            start -= 1
        before = [number for utterance in spoken[start:j] for number in utterance]
        assert ids == [-1, *before, -2, *spoken[j], -2]
        assert len(ids) <= 40


def write(path, seconds, *, channels=1, rate=16_000, silent=False):
    shape = (round(seconds * rate), channels)
    noise = 0.1 * np.random.default_rng(0).normal(size=shape)
    soundfile.write(path, np.zeros(shape) if silent else noise, rate, subtype="FLOAT")
    return Clip(path)


class TestBadSound:
    def test_five_milliseconds_are_absent(self, tmp_path):
        assert read_samples(write(tmp_path / "a.wav", 0.005)) is None
        assert read_samples(write(tmp_path / "b.wav", 0.025)).shape == (400,)

    def test_silence_is_present(self, tmp_path):
        heard = read_samples(write(tmp_path / "a.wav", 1, silent=True))
        assert torch.equal(heard, torch.zeros(16_000))

    def test_audio_is_limited_to_ten_seconds(self, tmp_path):
        clip = write(tmp_path / "a.wav", 60)
        assert read_samples(clip).shape == (160_000,)
        assert clip_lengths([clip]) == [10.0]
        later = replace(clip, start=55.0)
        assert read_samples(later).shape == (80_000,)
        assert clip_lengths([later, replace(clip, start=7.0, end=8.5)]) == [5.0, 1.5]

    def test_stereo_at_another_sampling_rate(self, tmp_path):
        heard = read_samples(write(tmp_path / "a.wav", 2, channels=2, rate=44_100))
        assert heard.ndim == 1
        assert abs(len(heard) - 32_000) <= 1

    def test_missing_and_damaged_files(self, tmp_path):
        (tmp_path / "bad.wav").write_bytes(b"RIFFxxxx")
        lost, bad = Clip(tmp_path / "lost.wav"), Clip(tmp_path / "bad.wav")
        assert read_samples(lost) is read_samples(bad) is read_samples(None) is None
        existing = write(tmp_path / "a.wav", 1)
        assert clip_lengths([lost, existing, bad, None]) == [0.0, 1.0, 0.0, 0.0]
        assert missing_sounds([lost, existing, bad, lost]) == 1

    def test_all_files_missing_suggests_a_wrong_folder(self, tmp_path):
        clips = [Clip(tmp_path / f"{i}.wav") for i in range(3)]
        with pytest.raises(
            InputError, match=r"0.wav: no such file, and none of the other 2 sounds"
        ):
            clip_lengths(clips)


@pytest.fixture
def examples(base, tmp_path):
    """Conversations of 3 and 2 utterances with clips of 1.0 to 1.4 s, the second one missing."""
    conversations = [conversation("yes", "", "why"), conversation("well", "no", name="d")]
    text = TextInput(tokenizer=UtteranceTokenizer(base, 5), utterance_tokens=9, speaker_prefix=True)
    predictions = build_examples(conversations, labels=LABELS, widths={}, tables={}, text=text)
    keys = [(c.id, u.id) for c in conversations for u in c.utterances]
    sounds = {k: write(tmp_path / f"{i}.wav", 1 + i / 10) for i, k in enumerate(keys) if i != 1}
    return with_sounds(predictions, conversations, sounds)


def test_waveforms_and_tokens_of_a_batch(examples, base):
    batch = _Collate(UtteranceTokenizer(base, 5))(examples)
    assert batch.windows is None
    assert batch.waveforms.lengths.tolist() == [[16000, 0, 19200], [20800, 22400, 0]]
    assert batch.waveforms.samples.shape[:2] == batch.tokens.token_ids.shape[:2] == (2, 3)
    assert batch.present["audio"].tolist() == [[True, False, True], [True, True, False]]
    assert batch.present["text"].tolist() == [[True, False, True], [True, True, False]]
    for b, example in enumerate(examples):
        for i, clip in enumerate(example.sounds):
            length = int(batch.waveforms.lengths[b, i])
            assert not batch.waveforms.samples[b, i, length:].any()
            if clip is not None:
                assert torch.equal(batch.waveforms.samples[b, i, :length], read_samples(clip))
            ids, mask = batch.tokens.token_ids[b, i], batch.tokens.attention_mask[b, i]
            assert ids[mask].tolist() == example.token_ids[i]
    own = [
        [words(base, ids[existing].tolist()) for ids, existing in zip(*rows, strict=True)]
        for rows in zip(batch.tokens.token_ids, batch.tokens.targets, strict=True)
    ]
    assert own == [["a : yes [SEP]", "", "a : why [SEP]"], ["a : well [SEP]", "b : no [SEP]", ""]]


def test_separate_utterances_equal_the_complete_batch(examples, base):
    collate = _Collate(UtteranceTokenizer(base, 5))
    whole, apart = collate(examples), collate(split_utterances(examples))
    assert apart.indices.tolist() == list(range(5))
    assert apart.mask.tolist() == [[True]] * 5
    chosen = whole.mask
    assert torch.equal(apart.waveforms.samples[:, 0], whole.waveforms.samples[chosen])
    assert torch.equal(apart.tokens.token_ids[:, 0], whole.tokens.token_ids[chosen])
    assert torch.equal(apart.labels[:, 0], whole.labels[chosen])
    for m, present in whole.present.items():
        assert torch.equal(apart.present[m][:, 0], present[chosen])
