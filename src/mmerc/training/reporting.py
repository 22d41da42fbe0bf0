"""Progress reports of trainings."""

from __future__ import annotations

from collections.abc import Callable

Reporter = Callable[[str], None]  # shows one line to the user
