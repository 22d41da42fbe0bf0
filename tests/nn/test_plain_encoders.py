"""Encoders, adapters and tokenizer in plain torch equal those of transformers and peft."""

import json
import subprocess
import sys
from functools import partial

import pytest
import torch
from transformers import AutoTokenizer, BertConfig, BertModel
from transformers.audio_utils import mel_filter_bank, window_function

from mmerc.features.whisper_means import WhisperMeans
from mmerc.media.speakers import filterbank
from mmerc.nn import whisper
from mmerc.nn.bert import Bert, UpperBert, read_bert_settings
from mmerc.nn.bert_tokenizer import read_bert_tokenizer
from mmerc.nn.encoder_sources import load_backbone, resolve_encoder, resolve_speech_encoder
from mmerc.nn.lora import AdaptedModel
from mmerc.nn.speech_encoder import SpeechEncoderConfig, _speech_settings
from mmerc.nn.text_encoder import TextEncoder, TextEncoderConfig
from mmerc.nn.whisper_encoder import load_whisper

TEXTS = [
    "Hello there!", "it's Ünïcode 中文 [SEP] [MASK] test", "", " \n\t x", "don't you DARE... " * 99,
    "cafe\u0301 \u200b zero\x00null", "####word ##ing", "\N{GRINNING FACE} :-)", "a" * 150,
]  # fmt: skip


def encoder(*, to_train, tuning="frozen"):
    config = TextEncoderConfig(tuning=tuning, scope="utterance")
    return TextEncoder.from_source(config, to_train=to_train).eval()


@pytest.fixture(scope="module")
def rows():
    torch.manual_seed(1)
    ids = torch.randint(1000, 20000, (3, 48))
    owners = torch.arange(6).repeat_interleave(24).view(3, 48).clone()
    owners[2, 40:] = 6
    return ids, owners < 6, owners


@pytest.mark.parametrize("bfloat16", [False, True])
@pytest.mark.parametrize("merged", [False, True])
def test_bert_and_lora_equal_transformers_and_peft_bit_for_bit(rows, bfloat16, merged):
    ids, mask, owners = rows
    plain, library = encoder(to_train=False, tuning="lora"), encoder(to_train=True, tuning="lora")
    assert isinstance(plain.backbone, AdaptedModel)
    state = library.state_dict()
    for name in state:
        if "lora_B" in name:
            state[name] = torch.randn_like(state[name])
    library.load_state_dict(state)
    plain.load_state_dict(state)  # which also compares names and shapes
    assert [n for n, p in plain.named_parameters() if p.requires_grad] == [
        n for n, p in library.named_parameters() if p.requires_grad
    ]
    if merged:
        plain.merge_adapters()
        library.merge_adapters()
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
        for use in (mask, torch.ones_like(mask)):
            both = [e.read_layers(ids, use, every_layer=True) for e in (plain, library)]
            assert all(map(torch.equal, *both))
        vectors = [e(ids, mask, owners, utterances=6) for e in (plain, library)]
    assert torch.equal(*vectors)


def test_training_only_the_last_layers_equals_the_full_network(rows, monkeypatch):
    """Lower layers read each row once, and are neither trained nor noisy."""
    close = partial(torch.allclose, atol=1e-5)  # attention with gradients uses another kernel
    ids, mask, _ = rows
    adapted = encoder(to_train=False, tuning="lora").backbone
    bert = adapted.get_base_model()
    whole = bert(ids, mask, output_hidden_states=True).hidden_states
    upper = UpperBert(bert, trained=2)
    for training in (False, True):
        upper.train(training)
        for layer in upper.upper:
            layer.eval()
        for every in (False, True):
            states = upper(ids, mask, output_hidden_states=every)
            assert close(states.last_hidden_state, whole[-1])
            if every:
                assert all(map(close, states.hidden_states, whole))
    assert not states.last_hidden_state.is_inference() and states.last_hidden_state.requires_grad
    monkeypatch.setattr(upper, "_read_lower", None)
    assert close(upper(ids, mask).last_hidden_state, whole[-1])
    upper(ids, mask).last_hidden_state.sum().backward()
    trained = {int(name.split(".")[2]) for name, p in bert.named_parameters() if p.grad is not None}
    assert trained == {4, 5}


def test_other_bert_variants_use_transformers(tmp_path):
    sizes = {"hidden_size": 8, "num_attention_heads": 2, "intermediate_size": 8, "vocab_size": 50}
    BertModel(BertConfig(num_hidden_layers=1, **sizes)).save_pretrained(tmp_path)
    settings = read_bert_settings(tmp_path, attention_dropout=0.0)
    assert Bert.load(tmp_path, settings) is not None
    path = tmp_path / "config.json"
    values = json.loads(path.read_text())
    for change in ({"hidden_act": "relu"}, {"is_decoder": True}, {"model_type": "electra"}):
        path.write_text(json.dumps(values | change))
        assert read_bert_settings(tmp_path, attention_dropout=0.0) is None
    path.write_text(json.dumps(values | {"hidden_size": 16}))
    other = read_bert_settings(tmp_path, attention_dropout=0.0)
    assert Bert.load(tmp_path, other) is None


def test_tokenizer_equals_transformers(tmp_path):
    folder = resolve_encoder("minilm-l6")
    plain, library = read_bert_tokenizer(folder), AutoTokenizer.from_pretrained(folder)
    options = {"add_special_tokens": False, "split_special_tokens": True, "truncation": True}
    for limit in (5, 256):
        expected = library(TEXTS, max_length=limit, **options)["input_ids"]
        assert plain.encode(TEXTS, limit=limit) == expected
    assert len(plain) == len(library)
    for name in ("cls_token_id", "sep_token_id", "pad_token_id"):
        assert getattr(plain, name) == getattr(library, name)
    library.save_pretrained(tmp_path)
    assert read_bert_tokenizer(tmp_path) is not None
    path = tmp_path / "tokenizer_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"do_lower_case": False}))
    assert read_bert_tokenizer(tmp_path) is None  # transformers would not lower the case


@pytest.mark.parametrize("bfloat16", [False, True])
def test_whisper_encoder_equals_transformers_bit_for_bit(bfloat16):
    folder = resolve_speech_encoder(SpeechEncoderConfig().name)
    library = load_backbone(folder, _speech_settings(folder)).encoder
    plain = load_whisper(folder)
    torch.manual_seed(2)
    samples, lengths = torch.randn(2, 20_000), torch.tensor([20_000, 9_000])
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
        pairs = zip(
            whisper.whisper_states(plain, samples, lengths)[0],
            whisper.whisper_states(library, samples, lengths)[0],
            strict=True,
        )
        assert all(torch.equal(*pair) for pair in pairs)
    assert type(WhisperMeans().encoder.backbone) is type(plain)


@pytest.mark.parametrize("bands", [80, 128])
def test_whisper_filters_equal_librosa(bands):
    expected = mel_filter_bank(201, bands, 0.0, 8000.0, 16_000, norm="slaney", mel_scale="slaney")
    assert torch.equal(whisper._mel_filters(bands), torch.from_numpy(expected.T).float())


def test_kaldi_filters_and_window_equal_transformers():
    options = {"mel_scale": "kaldi", "triangularize_in_mel_space": True}
    expected = mel_filter_bank(257, 80, 20.0, 8000.0, 16_000, **options)
    assert torch.equal(filterbank._mel_bands(), torch.tensor(expected, dtype=torch.float32))
    window = torch.tensor(window_function(400, "povey", periodic=False), dtype=torch.float32)
    assert torch.equal(filterbank._window(), window)


def test_predicting_and_extracting_load_no_slow_library():
    code = (
        "import sys\n"
        "import mmerc.inference.pipeline, mmerc.inference.results\n"
        "from mmerc.features.registry import NamedExtractor\n"
        "from mmerc.models.registry import load_model\n"
        "load_model('mmerc-mini'), NamedExtractor('whisper')(), NamedExtractor('denseface-3')()\n"
        "slow = ('transformers', 'peft', 'scipy', 'sklearn', 'pandas', 'sympy', 'lightning',"
        " 'huggingface_hub', 'torch._dynamo', 'matplotlib', 'jinja2')\n"
        "print([name for name in slow if name in sys.modules])"
    )
    program = [sys.executable, "-c", code]
    assert subprocess.run(program, capture_output=True, text=True, check=True).stdout == "[]\n"
