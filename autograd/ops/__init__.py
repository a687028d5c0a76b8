"""The op rows, by area."""

from . import elementwise, index, random, reduce, shape

__all__ = ["elementwise", "index", "random", "reduce", "shape"]
