"""What is freed in training goes back to the system."""

import subprocess
import sys

import pytest

FREED = """
import torch
from mmerc.training.memory import MemoryRelease, keep_memory

def megabytes():
    return int(open("/proc/self/statm").read().split()[1]) * 4 // 1024

keep_memory()
blocks = [torch.ones(2**18) for _ in range(400)]
used = megabytes()
del blocks[:-1]
release = MemoryRelease()
for step in range(100):
    if step == 99:
        print(used - megabytes())
    release.on_train_batch_end(None, None, None, None, step % 30)  # epochs of 30 batches
print(used - megabytes())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's allocator")
def test_memory_that_a_training_no_longer_uses_is_released_now_and_then():
    freed = subprocess.run(
        [sys.executable, "-c", FREED], check=True, capture_output=True, text=True, timeout=300
    )
    kept, released = map(int, freed.stdout.split())
    assert kept < 100
    assert released > 350
