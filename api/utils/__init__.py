"""Tools around training: :mod:`tensorplug.utils.data`, :mod:`tensorplug.utils.tensorboard`."""

from __future__ import annotations

from . import data as data
from . import tensorboard as tensorboard
