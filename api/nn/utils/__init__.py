"""Tools for modules: packed sequences, gradient clipping, parametrizations and more."""

from __future__ import annotations

from . import rnn as rnn
