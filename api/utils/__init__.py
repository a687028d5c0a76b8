"""Tools around training; see :mod:`tensorplug.utils.data`."""

from __future__ import annotations

from . import data as data
