"""Benchmarks of tensorplug beside PyTorch and raw NumPy: ``python -m benchmarks``.

Everything runs on one thread, which has to be settled before an array library is loaded.
"""

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
