import pytest
import torch

from mmerc.precision import fast_bfloat16


@pytest.mark.parametrize("present", [False, True])
def test_cpu_features_are_checked(monkeypatch, present):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: present)
    assert fast_bfloat16("cpu") is present
    assert fast_bfloat16(torch.device("cpu")) is present
    assert not fast_bfloat16("mps")


@pytest.mark.parametrize("card", [False, True])
@pytest.mark.parametrize("hardware", [False, True])
def test_gpu_that_emulates_bfloat16_is_not_fast(monkeypatch, card, hardware):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: card)
    monkeypatch.setattr(
        torch.cuda,
        "is_bf16_supported",
        lambda including_emulation=True: including_emulation or hardware,
    )
    assert fast_bfloat16("cuda") is (card and hardware)
