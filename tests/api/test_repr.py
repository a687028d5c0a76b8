"""Printing against texts recorded from PyTorch (``printing.txt``, checked by the parity run)."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import tensorplug as tp
from tensorplug.backends.numpy_like import __name__ as _unused  # noqa: F401
