"""Memory freed in training is returned to the system."""

import sys
from pathlib import Path

import pytest
import torch

from mmerc.free_memory import keep_memory
from mmerc.processes import worker_context
from mmerc.training.memory import MemoryRelease


def megabytes():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4 // 1024


def train(sender):
    """Send the amount of freed memory one step before the release, and after it."""
    keep_memory()
    blocks = [torch.ones(2**18) for _ in range(400)]
    used, freed = megabytes(), []
    del blocks[:-1]
    release = MemoryRelease()
    for step in range(100):
        if step == 99:
            freed.append(used - megabytes())
        release.on_train_batch_end(None, None, None, None, step % 30)  # epochs of 30 batches
    sender.send([*freed, used - megabytes()])


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's allocator")
def test_unused_memory_is_released_periodically():
    context = worker_context("mmerc.training.memory")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=train, args=(sender,))
    process.start()
    sender.close()
    kept, released = receiver.recv()
    process.join()
    assert kept < 100
    assert released > 350
