"""Two synthetic voices."""

from pathlib import Path

import pytest

from mmerc.media.decode import read_sound

DATA = Path(__file__).parents[1] / "data"


@pytest.fixture(scope="session")
def voices():
    """Samples of a man and a woman, 16 kHz."""
    return {name: read_sound(DATA / f"{name}.ogg") for name in ("man", "woman")}
