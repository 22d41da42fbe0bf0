import pytest
from df_erc_oracles import SIZES


@pytest.fixture
def batch(make_batch):
    """Four conversations with absent modalities, unknown labels and one empty utterance."""
    batch = make_batch(SIZES, absent=0.25, unknown=0.2, seed=8)
    for present in batch.present.values():
        present[0, 2] = False
    assert all(0 < int(present.sum()) < sum(SIZES) for present in batch.present.values())
    assert 0 < int((batch.labels >= 0).sum()) < sum(SIZES)
    return batch


@pytest.fixture
def whole_batch(make_batch):
    """Nothing absent, nothing unknown: the case of the paper."""
    return make_batch(SIZES, seed=2)
