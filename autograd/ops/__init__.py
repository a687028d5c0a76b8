"""The op rows, by area."""

from . import elementwise, index, reduce, shape

__all__ = ["elementwise", "index", "reduce", "shape"]
