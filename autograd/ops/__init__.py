"""The op rows, by area."""

from . import elementwise, index, random, reduce, shape
from . import activation, conv, nn, norm, pool

__all__ = ["activation", "conv", "nn", "norm", "pool", "elementwise", "index", "random", "reduce", "shape"]
