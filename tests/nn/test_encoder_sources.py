"""Where encoders are loaded from, and which are rejected."""

import time
from dataclasses import replace

import pytest

from mmerc.errors import InputError, MmercError
from mmerc.nn import encoder_sources
from mmerc.nn.encoder_sources import _TEXT_ENCODERS, resolve_encoder


def test_existing_folder_is_used_unchanged(tiny_encoder):
    assert resolve_encoder(str(tiny_encoder)) == tiny_encoder


def test_embedded_encoder_is_complete():
    folder = resolve_encoder("minilm-l6")
    for name in ("config.json", "model.safetensors", "tokenizer.json"):
        assert (folder / name).is_file()


@pytest.mark.parametrize("name", ["nobody/no-such-encoder", "no such encoder!", "/no/folder/here"])
def test_unknown_name_is_refused_immediately(name):
    start = time.monotonic()
    with pytest.raises(MmercError) as caught:
        resolve_encoder(name)
    assert time.monotonic() - start < 5
    message = str(caught.value)
    assert repr(name) in message
    assert "minilm-l6" in message
    assert "\n" not in message


def test_other_weights_under_the_same_name_are_refused(monkeypatch):
    other = replace(_TEXT_ENCODERS["minilm-l6"], sha256={"model.safetensors": "0" * 64})
    monkeypatch.setattr(encoder_sources, "_TEXT_ENCODERS", {"minilm-l6": other})
    with pytest.raises(InputError, match=r"expected SHA-256 000000000000.*, found 53aa51172d14"):
        resolve_encoder("minilm-l6")


def test_missing_package_is_named(monkeypatch):
    absent = replace(_TEXT_ENCODERS["minilm-l6"], package="no_such_package_here")
    monkeypatch.setattr(encoder_sources, "_TEXT_ENCODERS", {"minilm-l6": absent})
    with pytest.raises(MmercError, match=r"pip install 'mmerc\[offline\]'"):
        resolve_encoder("minilm-l6")
