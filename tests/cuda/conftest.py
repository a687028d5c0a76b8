"""For tests of the cuda devices: ``make test-gpu`` runs them on a GPU, ``make test`` on a stand-in
for CuPy (``tests/plugins/cupy_stand_in``).
"""

from __future__ import annotations

import cupy
import pytest

import tensorplug as tp

STAND_IN = hasattr(cupy.cuda, "COUNT")


@pytest.fixture(autouse=True)
def _seeded() -> None:
    tp.manual_seed(0)


@pytest.fixture(params=range(tp.cuda.device_count()))
def device(request: pytest.FixtureRequest) -> str:
    """Every cuda device there is."""
    return f"cuda:{request.param}"
