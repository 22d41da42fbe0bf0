"""Tells a process that computes from one that hangs."""

from __future__ import annotations

import asyncio
import time
from typing import TypeVar

_Answer = TypeVar("_Answer")
_QUEUED = 2.0  # seconds that a canary waits for its turn until the process is looked at
_COMPUTING = 0.1  # processor time per second from which a process computes


async def computes_meanwhile(waiting: asyncio.Future[_Answer]) -> bool:
    """Wait a little; return whether there is no answer yet although this process computes.

    Processor time tells real work from a wait: its threads include those of the networks.
    """
    began, used = time.monotonic(), time.process_time()
    done, _ = await asyncio.wait({waiting}, timeout=_QUEUED)
    seconds = time.monotonic() - began
    return not done and time.process_time() - used >= _COMPUTING * seconds
