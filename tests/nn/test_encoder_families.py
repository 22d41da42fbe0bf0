"""Every supported encoder family: packed utterances stay separate, padding has no effect.

Small models with random weights, in settings that matter here: windows of local attention
smaller than a row, padding ids other than 0, biases between positions, convolutions.
"""

import json
import shutil
import string
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from transformers import AutoConfig, AutoModel, BertTokenizerFast, PreTrainedTokenizerFast

from mmerc.data.text_windows import build_windows
from mmerc.errors import InputError
from mmerc.models.registry import load_model
from mmerc.nn import text_encoder
from mmerc.nn.bert_tokenizer import BertTokenizer
from mmerc.nn.encoder_check import check_encoder
from mmerc.nn.encoder_families import _FAMILIES
from mmerc.nn.streams import encode_tokens
from mmerc.nn.text_encoder import TextEncoder, TextEncoderConfig
from mmerc.nn.tokenizer import TextTokenizer

SCOPES = ["conversation", "utterance", "surrounding"]
SAID = [
    ["yes no", "why", "they went red blue tall small never always yes no"],
    ["never"],
    ["saw blue", "", "you came well me you they"],
]
WORDS = ["yes", "no", "why", "they", "went", "red", "blue", "tall", "small", "never", "always"]
WORDS += ["saw", "you", "came", "well", "me", *string.ascii_lowercase]
LIKE_BERT = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
LIKE_ROBERTA = ["[CLS]", "[PAD]", "[SEP]", "[UNK]", "[MASK]"]  # padding is token 1
SIZES = {
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 48,
    "initializer_range": 0.2,
}
SETTINGS = {
    "bert": SIZES,
    "roberta": SIZES,
    "xlm-roberta": SIZES,
    "camembert": SIZES,
    "electra": SIZES | {"embedding_size": 16},
    "distilbert": {
        "dim": 32,
        "n_layers": 3,
        "n_heads": 2,
        "hidden_dim": 48,
        "initializer_range": 0.2,
    },
    "mpnet": SIZES,
    "deberta-v2": SIZES
    | {
        "relative_attention": True,
        "position_buckets": 8,
        "norm_rel_ebd": "layer_norm",
        "share_att_key": True,
        "pos_att_type": ["p2c", "c2p"],
        "position_biased_input": False,
        "conv_kernel_size": 3,
        "conv_act": "gelu",
    },
    "modernbert": SIZES | {"local_attention": 8, "global_attn_every_n_layers": 3},
}
FNET = {name: value for name, value in SIZES.items() if name != "num_attention_heads"}
OTHERS = {
    "megatron-bert": SIZES,
    "deberta": SIZES | {"relative_attention": True, "pos_att_type": ["p2c", "c2p"]},
    "albert": SIZES | {"embedding_size": 16},
}

REFUSED = {"fnet": FNET, "longformer": SIZES | {"attention_window": 8}}


def build_folder(folder, family, settings):
    """Write a small random model of a family, with a tokenizer whose padding id it knows."""
    torch.manual_seed(0)
    special = LIKE_ROBERTA if "roberta" in family or family in {"camembert", "mpnet"} else LIKE_BERT
    vocabulary = [*special, *WORDS]
    BertTokenizerFast(vocab={word: i for i, word in enumerate(vocabulary)}).save_pretrained(folder)
    config = AutoConfig.for_model(
        family,
        vocab_size=len(vocabulary),
        max_position_embeddings=66,
        pad_token_id=special.index("[PAD]"),
        bos_token_id=None,
        eos_token_id=None,
        **settings,
    )
    model = AutoModel.from_config(config)
    with torch.no_grad():  # including biases and norms, which are initially 0 and 1
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    built = {}

    def folder(family):
        if family not in built:
            settings = (SETTINGS | OTHERS | REFUSED)[family]
            built[family] = build_folder(tmp_path_factory.mktemp(family), family, settings)
        return built[family]

    return folder


def load(folder, **settings):
    torch.manual_seed(0)
    return TextEncoder.from_source(TextEncoderConfig(name=str(folder), dropout=0.0, **settings))


def encode(encoder, conversations):
    """Vectors [B, N, width] of conversations of texts, in one batch."""
    tokens = [encoder.tokenizer.encode(texts, limit=20) for texts in conversations]
    padded = max(map(len, tokens))
    windows = build_windows(tokens, encoder.tokenizer, padded)
    pooled = encoder(
        windows.token_ids,
        windows.attention_mask,
        windows.pool_into,
        utterances=len(tokens) * padded,
    )
    return pooled.unflatten(0, (len(tokens), padded))


def rows_by_hand(encoder, texts):
    """For each utterance with words: its number, the tokens read, and the tokens pooled."""
    first, last = encoder.tokenizer.first_id, encoder.tokenizer.last_id
    said = encoder.tokenizer.encode(texts, limit=20)
    for i, tokens in enumerate(said):
        before = [token for utterance in said[:i] for token in utterance]
        after = [token for utterance in said[i + 1 :] for token in utterance]
        if not tokens:
            continue
        if encoder.config.scope == "utterance":
            ids = [first, *tokens, last]
            yield i, ids, slice(0, len(ids))
        elif encoder.config.scope == "surrounding":
            yield i, [first, *before, last, *tokens, last, *after, last], slice(0, 1)
        else:
            start = 1 + len(before)
            yield i, [first, *before, *tokens, *after, last], slice(start, start + len(tokens))


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("family", [*SETTINGS, *OTHERS])
def test_packed_and_padded_batch_equals_single_utterances(folders, family, scope):
    """By hand: the plain transformers model, one row without padding, mean of the tokens."""
    encoder = load(folders(family), scope=scope).eval()
    plain = AutoModel.from_pretrained(folders(family), attn_implementation="eager").eval()
    with torch.no_grad():
        vectors = encode(encoder, SAID)
        for row, texts in enumerate(SAID):
            for i, ids, own in rows_by_hand(encoder, texts):
                states = plain(input_ids=torch.tensor([ids])).last_hidden_state[0]
                expected = states[own].mean(0)
                torch.testing.assert_close(vectors[row, i], expected, atol=2e-5, rtol=1e-4)
    assert (vectors[2, 1] == 0).all()


@pytest.mark.parametrize("family", SETTINGS)
def test_isolated_utterances_do_not_depend_on_neighbours(folders, family):
    encoder = load(folders(family), scope="utterance").eval()
    with torch.no_grad():
        first = encode(encoder, [["saw blue", "they went red"]])[0, 0]
        second = encode(encoder, [["saw blue", "never always well me you"]])[0, 0]
    torch.testing.assert_close(first, second, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("family", SETTINGS)
def test_gradients_do_not_depend_on_padding_or_neighbours(folders, family, scope):
    """Also in training, which uses another attention kernel."""
    gradients = []
    for conversations in ([SAID[0]], SAID):
        encoder = load(folders(family), scope=scope).train()
        for module in encoder.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.0
        encode(encoder, conversations)[0].square().sum().backward()
        gradients.append({n: p.grad for n, p in encoder.named_parameters() if p.grad is not None})
    assert gradients[0].keys() == gradients[1].keys()
    assert all(torch.isfinite(gradient).all() for gradient in gradients[1].values())
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradients[1][name], gradient, atol=2e-4, rtol=1e-3)


@pytest.mark.parametrize("family", SETTINGS)
def test_states_of_every_layer_do_not_depend_on_padding(folders, family):
    """In the mode of models that read utterances separately."""
    encoder = load(folders(family)).eval()
    tokenizer = encoder.tokenizer
    ids = [tokenizer.first_id, *tokenizer.encode(["saw blue"], limit=9)[0], tokenizer.last_id]
    row = torch.tensor([ids])
    padded = torch.nn.functional.pad(row, (0, 30), value=tokenizer.pad_id)
    longer = torch.full_like(padded, ids[1])
    both = torch.cat([padded, longer])
    mask = torch.ones_like(both, dtype=torch.bool)
    mask[0, len(ids) :] = False
    everyone = torch.ones(2, dtype=torch.bool)
    with torch.no_grad():
        alone = encode_tokens(
            encoder, row, torch.ones_like(row, dtype=torch.bool), row > 0, everyone[:1]
        )
        batch = encode_tokens(encoder, both, mask, mask, everyone)
    assert len(alone.states) == len(batch.states) == 3
    for one, other in zip(alone.states, batch.states, strict=True):
        torch.testing.assert_close(other[:1, : len(ids)], one, atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("family", SETTINGS)
def test_sequence_as_long_as_the_model_allows(folders, family):
    encoder = load(folders(family)).eval()
    assert encoder.tokenizer.max_length == 66 - 2 * _FAMILIES[family].counts_from_padding
    with torch.no_grad():
        vectors = encode(encoder, [["yes no why well"] * 40])[0]
    assert (vectors.abs().sum(-1) > 0).all()


@pytest.mark.parametrize("family", SETTINGS)
def test_attention_dropout_is_off_by_default(folders, family):
    for rate in (0.0, 0.25):
        settings = load(folders(family), attention_dropout=rate).backbone.config
        rates = [
            getattr(settings, name)
            for name in ("attention_probs_dropout_prob", "attention_dropout")
            if hasattr(settings, name)
        ]
        assert rates == [rate]


@pytest.mark.parametrize("family", SETTINGS)
def test_lora_reaches_every_layer_and_can_be_merged(folders, family):
    encoder = load(folders(family), tuning="lora", lora_rank=2, scope="utterance").train()
    trainable = {name for name, p in encoder.named_parameters() if p.requires_grad}
    assert trainable
    assert all("lora_" in name for name in trainable)
    encode(encoder, SAID).square().sum().backward()
    gradients = {name: p.grad for name, p in encoder.named_parameters() if "lora_B" in name}
    unreached = [n for n, g in gradients.items() if g is None or not (g != 0).any()]
    assert not [name for name in unreached if "key" not in name and "k_lin" not in name]
    layers = {name.split("layer")[-1].split(".")[1] for name in trainable if "layer" in name}
    assert {"0", "1", "2"} <= layers
    with torch.no_grad():
        for name, parameter in encoder.named_parameters():
            if "lora_" in name:
                parameter.add_(0.1 * torch.randn_like(parameter))
        expected = encode(encoder.eval(), SAID)
        encoder.merge_adapters()
        torch.testing.assert_close(encode(encoder, SAID), expected, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("scope", SCOPES)
def test_encoder_family_that_reads_padding_is_refused(folders, scope):
    """FNet mixes all tokens of a row, including padding, by a Fourier transform."""
    with pytest.raises(InputError, match="'fnet', which lets padding change its output") as caught:
        load(folders("fnet"), scope=scope)
    assert "use BERT, RoBERTa" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_saved_model_whose_encoder_reads_padding_is_refused(
    folders, make_model, tmp_path, monkeypatch
):
    """A model saved by an earlier version."""
    monkeypatch.setattr(text_encoder, "check_encoder", lambda *_: None)
    encoder = TextEncoderConfig(name=str(folders("fnet")))
    model = make_model("language-model", text_encoder=encoder)
    model.save_pretrained(tmp_path / "model")
    with pytest.raises(InputError, match="'fnet', which lets padding change its output"):
        load_model(tmp_path / "model")


def test_family_with_fewer_positions_than_declared_is_refused_with_advice(folders):
    """Longformer counts positions from the padding token; with 64 tokens it can be used."""
    with pytest.raises(InputError, match=r"fails on a row of 66 tokens .*; lower .*max_length, or"):
        load(folders("longformer"))
    encoder = load(folders("longformer"), max_length=64, scope="utterance").eval()
    with torch.no_grad():
        together = encode(encoder, [["saw blue", "they went red"]])
        alone = encode(encoder, [["saw blue"]])
    torch.testing.assert_close(together[0, 0], alone[0, 0], atol=1e-5, rtol=1e-4)


def test_check_preserves_training_mode_and_random_state(folders):
    encoder = load(folders("albert"))
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    check_encoder(encoder, folders("albert"))
    assert torch.equal(torch.rand(3), expected)
    assert encoder.training


@pytest.mark.parametrize("side", ["right", "left"])
def test_shared_tokenizer_is_not_changed_by_requests(folders, tmp_path, side):
    """Threads that set limits of the same tokenizer would collide ("Already borrowed")."""
    shutil.copytree(folders("roberta"), tmp_path / "roberta")
    settings = tmp_path / "roberta" / "tokenizer_config.json"
    values = json.loads(settings.read_text())
    other = {"truncation_side": side, "tokenizer_class": "PreTrainedTokenizerFast"}
    settings.write_text(json.dumps(values | other))
    tokenizer = TextTokenizer(tmp_path / "roberta", max_length=66)
    shared = tokenizer.tokenizer.backend_tokenizer
    assert not isinstance(tokenizer.tokenizer, BertTokenizer)
    before = shared.to_str(), shared.encode_special_tokens
    texts = [" ".join(WORDS[:11])] * 500
    together = threading.Barrier(8)

    def encode(limit):
        together.wait()
        return tokenizer.encode(texts, limit=limit)

    with ThreadPoolExecutor(8) as pool:
        encoded = list(pool.map(encode, range(1, 9)))
    assert (shared.to_str(), shared.encode_special_tokens) == before
    assert shared.truncation is None and shared.padding is None and before[1]
    every = tokenizer.encode(texts[:1], limit=66)[0]
    for limit, ids in enumerate(encoded, start=1):
        assert ids == [every[:limit] if side == "right" else every[-limit:]] * 500


def test_tokenizer_without_start_and_end_tokens_is_refused(folders, tmp_path):
    shutil.copytree(folders("bert"), tmp_path / "bert")
    vocabulary = {"<unk>": 0, "<pad>": 1, **{word: i for i, word in enumerate(WORDS, start=2)}}
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token="<unk>"))
    plain = PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>")
    for file in (tmp_path / "bert").glob("*token*"):
        file.unlink()
    plain.save_pretrained(tmp_path / "bert")
    with pytest.raises(InputError, match="not a text encoder: its tokenizer has no CLS token; use"):
        load(tmp_path / "bert")
