from collections.abc import Callable
from pathlib import Path

import pytest

from mmerc.corpora.base import RawCorpus
from mmerc.data.corpus import PreparedCorpus
from mmerc.data.preparation import _write_corpus

SHARED = Path(__file__).parents[3] / "shared" / "data"


@pytest.fixture
def shared_data() -> Path:
    """The folder of real corpora next to the checkout."""
    if not SHARED.is_dir():
        pytest.skip("no folder shared/data with the real corpora beside the checkout")
    return SHARED


@pytest.fixture
def round_trip(tmp_path: Path) -> Callable[[RawCorpus], PreparedCorpus]:
    """Prepare and load a corpus, and check that both equal what was read."""

    def check(raw: RawCorpus) -> PreparedCorpus:
        prepared = _write_corpus(raw, tmp_path / "prepared")
        loaded = PreparedCorpus.load(tmp_path / "prepared")
        assert loaded.splits == prepared.splits == dict(raw.splits)
        assert loaded.labels == raw.labels
        assert loaded.fingerprints == prepared.fingerprints
        for modality, vectors in raw.features.items():
            for (conversation, utterance), vector in vectors.items():
                actual = loaded.features[modality].vector(conversation, utterance)
                assert (actual is None) == (vector is None)
                assert vector is None or (actual == vector).all()
        return loaded

    return check
