"""Distinguish a computing process from a hanging one."""

from __future__ import annotations

import asyncio
import time
from typing import TypeVar

_Answer = TypeVar("_Answer")
_QUEUED = 2.0  # seconds that a canary waits for its turn before the process is examined
_COMPUTING = 0.1  # processor time per second above which a process counts as computing


async def computes_meanwhile(waiting: asyncio.Future[_Answer]) -> bool:
    """Wait a little; return whether there is no answer yet while this process is computing.

    Processor time, which includes the networks' threads, distinguishes work from waiting.
    """
    began, used = time.monotonic(), time.process_time()
    done, _ = await asyncio.wait({waiting}, timeout=_QUEUED)
    seconds = time.monotonic() - began
    return not done and time.process_time() - used >= _COMPUTING * seconds
