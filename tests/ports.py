"""Ports for servers that tests start."""

import random
import socket
from contextlib import suppress

BELOW_OUTGOING = (15_000, 32_000)  # from 32,768 on, Linux gives ports to outgoing connections


def free_port():
    """A port for a server that starts later or again; no outgoing connection uses it."""
    while True:
        port = random.SystemRandom().randrange(*BELOW_OUTGOING)
        with socket.socket() as tried, suppress(OSError):
            tried.bind(("127.0.0.1", port))
            return port
