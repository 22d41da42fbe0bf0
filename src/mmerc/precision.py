"""Number formats supported by hardware."""

from __future__ import annotations

import torch


def fast_bfloat16(device: torch.device | str) -> bool:
    """Whether a device supports bfloat16 in hardware; otherwise it is slower than float32."""
    kind = torch.device(device).type
    if kind == "cuda":
        available = torch.cuda.is_available()
        return available and bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return kind == "cpu" and bool(torch.cpu._is_avx512_bf16_supported())
