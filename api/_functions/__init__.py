"""Functions over tensors, by area; importing them registers them."""

from . import (
    arithmetic,
    compare,
    complex,
    copies,
    create,
    dims,
    extremes,
    index,
    join,
    reduce,
    scatter,
    select,
    split,
    view,
)

__all__ = [
    "arithmetic",
    "compare",
    "complex",
    "copies",
    "create",
    "dims",
    "extremes",
    "index",
    "join",
    "reduce",
    "scatter",
    "select",
    "split",
    "view",
]
