"""The number of threads is restored after work on one thread."""

import pytest
import torch

from mmerc.threads import one_thread


@pytest.mark.parametrize("wanted", [False, True])
@pytest.mark.parametrize("fails", [False, True])
def test_threads_are_restored(fails, wanted):
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with one_thread(wanted=wanted):
            assert torch.get_num_threads() == (1 if wanted else 2)
            if fails:
                raise ValueError
    except ValueError:
        assert fails
    finally:
        after = torch.get_num_threads()
        torch.set_num_threads(before)
    assert after == 2
