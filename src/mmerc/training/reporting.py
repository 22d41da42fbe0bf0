"""How trainings report their progress."""

from __future__ import annotations

from collections.abc import Callable

Reporter = Callable[[str], None]  # takes one line for the person who waits
