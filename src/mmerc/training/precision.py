"""In which number format to train."""

from __future__ import annotations

import torch


def best_precision(*, accelerator: str, trains_encoder: bool) -> str:
    """``bf16-mixed`` where the processor computes in bfloat16 and the model is large, else float32.

    Small fusion models on ready-made vectors gain nothing on a processor without AMX: their time
    goes into the optimiser.
    """
    if accelerator == "cpu" or not torch.cuda.is_available():
        fast = torch.cpu._is_amx_tile_supported() or (
            trains_encoder and torch.cpu._is_avx512_bf16_supported()
        )
        return "bf16-mixed" if fast else "32-true"
    return "bf16-mixed" if torch.cuda.is_bf16_supported() else "32-true"
