"""The named tuples that functions with several results give; fields as PyTorch names them."""

from __future__ import annotations

from collections import namedtuple
from typing import Any

make: Any = namedtuple  # the fields are arguments, which no type checker follows

__all__ = [
    "aminmax", "cummax", "cummin", "frexp", "histogram", "kthvalue", "max", "median", "min",
    "mode", "nanmedian", "sort", "topk",
]  # fmt: skip


def _named(name: str, *fields: str) -> Any:
    """A named tuple type whose values print one below the other, as torch's do."""
    base = make(name, fields)

    def show(self: Any) -> str:
        body = ",\n".join(f"{field}={value!r}" for field, value in zip(fields, self, strict=True))
        return f"tensorplug.return_types.{name}(\n{body})"

    base.__repr__ = show
    base.__module__ = "tensorplug.return_types"
    return base


aminmax = _named("aminmax", "min", "max")
cummax = _named("cummax", "values", "indices")
cummin = _named("cummin", "values", "indices")
frexp = _named("frexp", "mantissa", "exponent")
histogram = _named("histogram", "hist", "bin_edges")
kthvalue = _named("kthvalue", "values", "indices")
max = _named("max", "values", "indices")
median = _named("median", "values", "indices")
min = _named("min", "values", "indices")
mode = _named("mode", "values", "indices")
nanmedian = _named("nanmedian", "values", "indices")
sort = _named("sort", "values", "indices")
topk = _named("topk", "values", "indices")
