"""Every test starts from the same seed, on one thread and outside of any run, so that failures repeat."""

import gc
from functools import cache

import pytest
import torch
import yapf.yapflib.yapf_api

# A run writes its config down four times, and making each pretty takes a third of a small run: any layout will do here.
# This comes before MMEngine is imported, since it may take the function with it.
yapf.yapflib.yapf_api.FormatCode = lambda text, **_: (text, True)

import mmengine.config.utils  # noqa: E402
from mmengine.logging import MessageHub  # noqa: E402

# For each `mmpretrain::` in a config MMEngine reads the 85 metafiles of mmpretrain; they stay as they are.
mmengine.config.utils.load = cache(mmengine.config.utils.load)


@pytest.fixture(autouse=True)
def _repeatable() -> None:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    # An earlier test's run must not tell what iteration it is.
    MessageHub.get_current_instance().runtime_info.clear()


def pytest_collection_finish() -> None:
    """Thousands of tests and modules are here to stay: the garbage collector need not look at them again and again."""
    gc.collect()
    gc.freeze()
