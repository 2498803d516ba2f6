"""Every test starts from the same seed and on one thread, so that failures repeat."""

import pytest
import torch


@pytest.fixture(autouse=True)
def _repeatable() -> None:
    torch.manual_seed(0)
    torch.set_num_threads(1)
