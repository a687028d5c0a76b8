"""The same command as ``python -m benchmarks``, for those who prefer a file."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

if __name__ == "__main__":
    # The repository's root in place of this folder, whose modules are imported as a package.
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    runpy.run_module("benchmarks", run_name="__main__", alter_sys=True)
