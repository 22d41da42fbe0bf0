"""Weight gradients of wide layers: one product compared with groups of inputs, on 1 and 2 threads.

A batch of DF-ERC has about 80 utterances; its widest layers have 2,182 inputs.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from torch import Tensor

from mmerc.nn.wide_linear import weight_gradient

ROWS = (66, 80, 96)
LAYERS = ((2182, 500), (2182, 300), (1182, 300), (942, 300))  # inputs, outputs
REPEATS = 60


def billions_a_second(compute: Callable[[], Tensor], operations: float) -> float:
    """Return the rate of a product in GFLOP/s."""
    for _ in range(5):
        compute()
    started = time.perf_counter()
    for _ in range(REPEATS):
        compute()
    return operations * REPEATS / (time.perf_counter() - started) / 1e9


def main() -> None:
    print("GFLOP/s of one product, and in groups")
    for threads in (1, 2):
        torch.set_num_threads(threads)
        for inputs, outputs in LAYERS:
            cells = []
            for count in ROWS:
                rows, into = torch.randn(count, inputs), torch.randn(count, outputs)
                operations = 2 * count * inputs * outputs
                whole = billions_a_second(lambda: into.mT @ rows, operations)  # noqa: B023
                groups = billions_a_second(lambda: weight_gradient(into, rows), operations)  # noqa: B023
                cells.append(f"{count} rows {whole:.0f}, {groups:.0f}")
            print(f"  {threads} threads, {inputs} to {outputs}: {'; '.join(cells)}", flush=True)


if __name__ == "__main__":
    main()
